/* Stop, heartbeat and motion lease on lane 30, and the latch they work (section 7). */
#ifndef LATCH_H
#define LATCH_H

#include "frame.h"

#include <stdbool.h>
#include <stdint.h>

enum { HEARTBEAT_PERIOD_MS = 50, LEASE_MS_MIN = 20, LEASE_MS_MAX = 250, STOP_ACKS_MAX = 4 };

enum latch_change { LATCH_UNKNOWN, LATCH_SAME, LATCH_CLOSED, LATCH_RELEASED };

struct latch {
    uint16_t number;
    uint8_t cause;
    uint16_t stop; /* the last one taken, 0 for none since the boot */
    bool lease_runs;
    uint16_t lease_ms;
    uint32_t lease_came_ms;
    uint16_t counter;
    uint32_t beat_at_ms;
    uint16_t stops[STOP_ACKS_MAX]; /* to be answered, oldest first */
    uint8_t stops_count;
    bool reset_ack_due;
};

/* Boots latched. The first number depends on the boot, so that a RESET meant for an earlier one cannot fit. */
void latch_boot(struct latch *latch, uint32_t boot_count, uint32_t now_ms);

/* Latches, for the first cause only; true when it was released before. */
bool latch_close(struct latch *latch, uint8_t cause);

/* True when the lease ended just now, and with it motion. */
bool latch_lease_ended(struct latch *latch, uint32_t now_ms);

/* Takes the information field of a frame of lane 30; `longer_fits`: fields behind the known ones are ignored. */
enum latch_change latch_take(struct latch *latch, const uint8_t *info, uint8_t count, bool longer_fits,
                             uint32_t now_ms);

/* The next frame to send, if one is due. */
bool latch_next(struct latch *latch, struct draft *draft, uint32_t now_ms);

#endif
