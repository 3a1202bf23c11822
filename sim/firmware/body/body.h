/* The simulated vehicle under the controller: drives, lift, load and battery. It outlives resets of the firmware.
   A real board has three other functions of port.h in this place: port_drive, port_lift, port_sense. */
#ifndef BODY_H
#define BODY_H

#include "port.h"

#include <stdint.h>

enum body_seen {
    SEEN_MOVE_BEGIN = SEEN_OF_BODY, /* x_mm, y_mm, signed */
    SEEN_MOVE_END,                  /* x_mm, y_mm, signed */
    SEEN_PICK,                      /* station, picks of this body so far */
    SEEN_DROP                       /* station, drops of this body so far */
};

struct body_settings {
    int32_t x_mm;
    int32_t y_mm;
    int16_t theta_mrad;
    uint16_t lift_ms;         /* the vehicle's own duration of PICK and DROP */
    uint16_t charge_permille;
    uint32_t seed;            /* spreads the own duration by up to a tenth; 0: not at all */
};

void body_begin(const struct body_settings *settings, uint32_t now_ms);

/* Lets the time until `now_ms` pass; call it before the firmware hears of `now_ms`. */
void body_run(uint32_t now_ms);

/* The set points in force. */
void body_driven(int16_t *speed_mm_s, int16_t *turn_mrad_s);

/* Breaks something, as bits of STATUS faults; 0 mends it. */
void body_break(uint16_t faults);

#endif
