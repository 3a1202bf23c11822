#include "timer.h"

enum { FIRST_MS = 200, SHORTEST_MS = 25, LONGEST_MS = 2000 };

static uint16_t bounded(uint32_t period_ms)
{
    if (period_ms < SHORTEST_MS) {
        return SHORTEST_MS;
    }
    return period_ms > LONGEST_MS ? LONGEST_MS : (uint16_t)period_ms;
}

void timer_clear(struct timer *timer)
{
    *timer = (struct timer){.period_ms = FIRST_MS};
}

void timer_start(struct timer *timer, uint32_t now_ms)
{
    timer->runs = true;
    timer->ends_ms = now_ms + timer->period_ms;
}

bool timer_ended(const struct timer *timer, uint32_t now_ms)
{
    return timer->runs && (int32_t)(now_ms - timer->ends_ms) >= 0;
}

void timer_back_off(struct timer *timer)
{
    timer->period_ms = bounded(2ul * timer->period_ms);
}

void timer_sample(struct timer *timer, uint32_t round_trip_ms)
{
    uint16_t sample_ms = round_trip_ms > LONGEST_MS ? LONGEST_MS : (uint16_t)round_trip_ms;
    if (!timer->sampled) { /* RFC 6298 2.2 */
        timer->smoothed_ms8 = (uint16_t)(8u * sample_ms);
        timer->spread_ms4 = (uint16_t)(2u * sample_ms);
        timer->sampled = true;
    } else { /* 2.3: alpha 1/8, beta 1/4 */
        int32_t error_ms = (int32_t)sample_ms - timer->smoothed_ms8 / 8;
        int32_t off_ms = error_ms < 0 ? -error_ms : error_ms;
        timer->spread_ms4 = (uint16_t)(timer->spread_ms4 + off_ms - timer->spread_ms4 / 4);
        timer->smoothed_ms8 = (uint16_t)(timer->smoothed_ms8 + error_ms);
    }
    uint16_t spread_ms = timer->spread_ms4 > 0 ? timer->spread_ms4 : 1; /* RFC 6298's G: our clock ticks by 1 ms */
    timer->period_ms = bounded(timer->smoothed_ms8 / 8ul + spread_ms);
}
