/* Headings in milliradians, -3141.6..3141.6. */
#ifndef HEADING_H
#define HEADING_H

#include <math.h>

#define MRAD_PER_TURN 6283.185307

/* The same heading within half a turn; avr-libc has no remainder(). */
static inline double within_half_a_turn(double mrad)
{
    return mrad - MRAD_PER_TURN * floor(mrad / MRAD_PER_TURN + 0.5);
}

#endif
