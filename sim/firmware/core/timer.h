/* The retransmission timer of RFC 6298 with the bounds of section 5, in milliseconds. */
#ifndef TIMER_H
#define TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
    bool runs;
    bool sampled; /* a round trip was measured */
    uint32_t ends_ms;
    uint16_t period_ms;
    uint16_t smoothed_ms8; /* SRTT in eighths */
    uint16_t spread_ms4;   /* RTTVAR in quarters */
};

void timer_clear(struct timer *timer);
void timer_start(struct timer *timer, uint32_t now_ms);
bool timer_ended(const struct timer *timer, uint32_t now_ms);

/* Doubles the period (RFC 6298 5.5). */
void timer_back_off(struct timer *timer);

/* Takes a round trip of a frame that was sent once (Karn's rule is the caller's). */
void timer_sample(struct timer *timer, uint32_t round_trip_ms);

#endif
