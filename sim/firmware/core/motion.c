#include "motion.h"

#include "heading.h"

#include <math.h>

enum { AT_POINT_MM = 5, AT_HEADING_MRAD = 5, SLOW_MM_S = 10, SLOW_MRAD_S = 20, TURN_MRAD_S_MAX = 1000 };
enum { BRAKE_MM_S2 = 900, BRAKE_MRAD_S2 = 1800 }; /* a little less than the drives can, to arrive without overshoot */
enum { STEER_PER_S = 2, STEER_MRAD_S_MAX = 300, STEER_BEYOND_MM = 50 };

static double bounded(double value, double limit)
{
    return fmax(-limit, fmin(limit, value));
}

/* The rate from which braking ends after `left`. */
static double approach(double left, double brake, double slowest, double fastest)
{
    return fmin(fastest, fmax(slowest, sqrt(2.0 * brake * left)));
}

static double distance_mm(const struct motion *motion, const struct sensed *sensed)
{
    return hypot((double)motion->goal.x_mm - (double)sensed->x_mm, (double)motion->goal.y_mm - (double)sensed->y_mm);
}

static double off_heading_mrad(double wanted_mrad, const struct sensed *sensed)
{
    return within_half_a_turn(wanted_mrad - sensed->theta_mrad);
}

static double off_point_mrad(const struct motion *motion, const struct sensed *sensed)
{
    double y_mm = (double)motion->goal.y_mm - (double)sensed->y_mm;
    double x_mm = (double)motion->goal.x_mm - (double)sensed->x_mm;
    return off_heading_mrad(1000.0 * atan2(y_mm, x_mm), sensed);
}

bool motion_reaches(const struct goal *goal)
{
    return goal->x_mm >= -REACH_MM && goal->x_mm <= REACH_MM && goal->y_mm >= -REACH_MM && goal->y_mm <= REACH_MM;
}

void motion_begin(struct motion *motion, const struct goal *goal, const struct sensed *sensed)
{
    motion->goal = *goal;
    motion->phase = distance_mm(motion, sensed) <= AT_POINT_MM ? TURNING_TO_HEADING : TURNING_TO_POINT;
    (void)motion_step(motion, sensed);
}

/* Sets a turn towards a heading; true when it stands there. */
static bool turn(struct set_point *point, double off_mrad, const struct sensed *sensed)
{
    if (fabs(off_mrad) <= AT_HEADING_MRAD) {
        return sensed->turn_mrad_s == 0;
    }
    double rate_mrad_s = approach(fabs(off_mrad), BRAKE_MRAD_S2, SLOW_MRAD_S, TURN_MRAD_S_MAX);
    point->turn_mrad_s = (int16_t)copysign(rate_mrad_s, off_mrad);
    return false;
}

/* Sets the way straight on, steered to the point; true when it stands there. */
static bool drive(struct motion *motion, struct set_point *point, const struct sensed *sensed)
{
    double off_mrad = off_point_mrad(motion, sensed);
    double left_mm = distance_mm(motion, sensed) * cos(off_mrad / 1000.0);
    if (left_mm < 1.0) { /* there, or passed it */
        return sensed->speed_mm_s == 0;
    }
    point->speed_mm_s = (int16_t)approach(left_mm, BRAKE_MM_S2, SLOW_MM_S, motion->goal.speed_mm_s);
    if (left_mm > STEER_BEYOND_MM) {
        point->turn_mrad_s = (int16_t)bounded(STEER_PER_S * off_mrad, STEER_MRAD_S_MAX);
    }
    return false;
}

struct set_point motion_step(struct motion *motion, const struct sensed *sensed)
{
    struct set_point point = {0, 0};
    if (motion->phase == TURNING_TO_POINT && turn(&point, off_point_mrad(motion, sensed), sensed)) {
        motion->phase = DRIVING;
    }
    if (motion->phase == DRIVING && drive(motion, &point, sensed)) {
        motion->phase = TURNING_TO_HEADING;
    }
    if (motion->phase == TURNING_TO_HEADING) {
        bool any = motion->goal.theta_mrad == ANY_HEADING;
        if (any || turn(&point, off_heading_mrad(motion->goal.theta_mrad, sensed), sensed)) {
            motion->phase = ARRIVED;
        }
    }
    return point;
}
