/* Drives one MOVE: turn to the point, drive straight to it, turn to the heading. Gives set points, touches nothing. */
#ifndef MOTION_H
#define MOTION_H

#include "port.h"

#include <stdbool.h>
#include <stdint.h>

#define SPEED_MM_S_MAX 1600
#define REACH_MM 200000l
#define ANY_HEADING INT16_MIN

struct goal {
    int32_t x_mm;
    int32_t y_mm;
    int16_t theta_mrad;
    uint16_t speed_mm_s;
};

struct set_point {
    int16_t speed_mm_s;
    int16_t turn_mrad_s;
};

enum motion_phase { TURNING_TO_POINT, DRIVING, TURNING_TO_HEADING, ARRIVED };

struct motion {
    struct goal goal;
    enum motion_phase phase;
};

bool motion_reaches(const struct goal *goal);
void motion_begin(struct motion *motion, const struct goal *goal, const struct sensed *sensed);

/* The set point of this step; motion->phase is ARRIVED when it stands at the goal. */
struct set_point motion_step(struct motion *motion, const struct sensed *sensed);

#endif
