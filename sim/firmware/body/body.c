#include "body.h"

#include "heading.h"

#include <math.h>
#include <string.h>

#define CAPACITY_MA_S (UINT32_C(40) * 1000 * 3600) /* in whole numbers: a 32-bit double of AVR would lose small sums */

enum { BODY_STEP_MS = 5 };
enum { FASTER_MM_S2 = 600, SLOWER_MM_S2 = 1000, HARD_MM_S2 = 2500 };
enum { TURN_MRAD_S2 = 2000, HARD_TURN_MRAD_S2 = 5000 };
enum { IDLE_MA = 1000, DRIVE_MA = 8000, LIFT_MA = 6000 };
enum { FAULT_BATTERY = 8 };
enum lift_state { LIFT_RESTS, LIFT_RUNS, LIFT_HELD };

static struct body {
    double x_mm;
    double y_mm;
    double theta_mrad;
    double speed_mm_s;
    double turn_mrad_s;
    uint32_t charge_ma_s;
    uint32_t drawn_ma_ms; /* not yet taken off */
    int16_t wanted_mm_s;
    int16_t wanted_mrad_s;
    bool hard;
    bool moves;
    enum lift_state lift;
    enum lift_action lift_action;
    bool lift_done;
    uint32_t lift_left_ms;
    uint32_t station;
    bool loaded;
    uint32_t picks;
    uint32_t drops;
    uint16_t faults;
    uint16_t lift_ms;
    uint32_t randomness;
    uint32_t ran_until_ms;
} body;

void body_begin(const struct body_settings *settings, uint32_t now_ms)
{
    memset(&body, 0, sizeof body);
    body.x_mm = (double)settings->x_mm;
    body.y_mm = (double)settings->y_mm;
    body.theta_mrad = settings->theta_mrad;
    body.charge_ma_s = CAPACITY_MA_S / 1000 * settings->charge_permille;
    body.lift_ms = settings->lift_ms;
    body.randomness = settings->seed;
    body.ran_until_ms = now_ms;
}

void body_driven(int16_t *speed_mm_s, int16_t *turn_mrad_s)
{
    *speed_mm_s = body.wanted_mm_s;
    *turn_mrad_s = body.wanted_mrad_s;
}

void body_break(uint16_t faults)
{
    body.faults = faults;
}

static double towards(double value, double wanted, double change)
{
    return value < wanted ? fmin(wanted, value + change) : fmax(wanted, value - change);
}

static void run_drives(double step_s)
{
    if (!body.moves && body.wanted_mm_s == 0 && body.wanted_mrad_s == 0) {
        return; /* sines are slow on a small controller */
    }
    bool slower = fabs((double)body.wanted_mm_s) < fabs(body.speed_mm_s);
    double change_mm_s2 = body.hard ? HARD_MM_S2 : slower ? SLOWER_MM_S2 : FASTER_MM_S2;
    double turn_mrad_s2 = body.hard ? HARD_TURN_MRAD_S2 : TURN_MRAD_S2;
    body.speed_mm_s = towards(body.speed_mm_s, body.wanted_mm_s, change_mm_s2 * step_s);
    body.turn_mrad_s = towards(body.turn_mrad_s, body.wanted_mrad_s, turn_mrad_s2 * step_s);
    body.theta_mrad = within_half_a_turn(body.theta_mrad + body.turn_mrad_s * step_s);
    body.x_mm += body.speed_mm_s * step_s * cos(body.theta_mrad / 1000.0);
    body.y_mm += body.speed_mm_s * step_s * sin(body.theta_mrad / 1000.0);
    bool moves = body.speed_mm_s != 0.0 || body.turn_mrad_s != 0.0;
    if (moves != body.moves) {
        body.moves = moves;
        port_seen(moves ? SEEN_MOVE_BEGIN : SEEN_MOVE_END, (uint32_t)(int32_t)body.x_mm, (uint32_t)(int32_t)body.y_mm);
    }
}

/* The one instant at which the load changes hands. */
static void hand_over(void)
{
    bool picks = body.lift_action == LIFT_PICK;
    uint32_t *count = picks ? &body.picks : &body.drops;
    body.lift = LIFT_RESTS;
    body.lift_done = true;
    body.loaded = picks;
    port_seen(picks ? SEEN_PICK : SEEN_DROP, body.station, ++*count);
}

static void run_lift(void)
{
    if (body.lift != LIFT_RUNS) {
        return;
    }
    if (body.lift_left_ms > BODY_STEP_MS) {
        body.lift_left_ms -= BODY_STEP_MS;
    } else {
        hand_over();
    }
}

static void run_battery(void)
{
    uint32_t drawn_ma = IDLE_MA;
    drawn_ma += body.moves ? DRIVE_MA : 0;
    drawn_ma += body.lift == LIFT_RUNS ? LIFT_MA : 0;
    body.drawn_ma_ms += drawn_ma * BODY_STEP_MS;
    uint32_t drawn_ma_s = body.drawn_ma_ms / 1000u;
    body.drawn_ma_ms %= 1000u;
    body.charge_ma_s -= drawn_ma_s < body.charge_ma_s ? drawn_ma_s : body.charge_ma_s;
}

void body_run(uint32_t now_ms)
{
    while (now_ms - body.ran_until_ms >= BODY_STEP_MS) {
        body.ran_until_ms += BODY_STEP_MS;
        run_drives(BODY_STEP_MS / 1000.0);
        run_lift();
        run_battery();
    }
}

void port_drive(int16_t speed_mm_s, int16_t turn_mrad_s, bool hard)
{
    body.wanted_mm_s = speed_mm_s;
    body.wanted_mrad_s = turn_mrad_s;
    body.hard = hard;
}

/* Xorshift (Marsaglia 2003); 0 stays 0. */
static uint32_t next_random(void)
{
    body.randomness ^= body.randomness << 13;
    body.randomness ^= body.randomness >> 17;
    body.randomness ^= body.randomness << 5;
    return body.randomness;
}

static uint32_t own_lift_ms(void)
{
    uint32_t tenth_ms = body.lift_ms / 10u;
    uint32_t spread_ms = body.randomness == 0 ? tenth_ms : next_random() % (2u * tenth_ms + 1u);
    return body.lift_ms - tenth_ms + spread_ms;
}

void port_lift(enum lift_action action, uint32_t station, uint16_t height_mm, uint16_t duration_ms)
{
    (void)height_mm; /* this lift takes as long for every height */
    switch (action) {
    case LIFT_PICK:
    case LIFT_DROP:
        body.lift = LIFT_RUNS;
        body.lift_action = action;
        body.lift_done = false;
        body.lift_left_ms = duration_ms == 0 ? own_lift_ms() : duration_ms;
        body.station = station;
        break;
    case LIFT_HOLD:
    case LIFT_GO_ON:
        if (body.lift != LIFT_RESTS) {
            body.lift = action == LIFT_HOLD ? LIFT_HELD : LIFT_RUNS;
        }
        break;
    case LIFT_ABORT:
        body.lift = LIFT_RESTS;
        break;
    }
}

/* Never 0 while it moves. */
static int16_t outward(double value)
{
    return (int16_t)(value < 0.0 ? floor(value) : ceil(value));
}

void port_sense(struct sensed *sensed)
{
    *sensed = (struct sensed){
        .x_mm = (int32_t)lround(body.x_mm),
        .y_mm = (int32_t)lround(body.y_mm),
        .theta_mrad = (int16_t)lround(body.theta_mrad),
        .speed_mm_s = outward(body.speed_mm_s),
        .turn_mrad_s = outward(body.turn_mrad_s),
        .charge_permille = (uint16_t)(body.charge_ma_s / (CAPACITY_MA_S / 1000)),
        .faults = (uint16_t)(body.faults | (body.charge_ma_s == 0 ? FAULT_BATTERY : 0)),
        .loaded = body.loaded,
        .lift_done = body.lift_done,
    };
}
