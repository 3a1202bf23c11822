/* What becomes of commands: taken once, queued, done one by one, answered (section 6). */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "latch.h"
#include "link.h"
#include "messages.h"
#include "motion.h"
#include "port.h"
#include "results.h"

#include <stdbool.h>
#include <stdint.h>

enum { QUEUE_MAX = 8, STANDSTILL_WAITERS_MAX = 4 };

struct command {
    uint32_t id;
    uint16_t epoch;
    uint16_t ttl_ms;
    uint32_t came_ms;
    uint8_t type;
    uint8_t body[BODY_OCTETS_MAX];
};

struct commands {
    struct results results;
    struct command queue[QUEUE_MAX]; /* the oldest first */
    uint8_t queue_count;
    struct command running;
    bool runs;
    bool paused;
    struct command waiters[STANDSTILL_WAITERS_MAX]; /* PAUSE and CANCEL, DONE when the vehicle stands */
    uint8_t waiters_count;
    struct motion motion;
    uint16_t cruise_mm_s;
    uint32_t node;
    uint32_t picks;
    uint32_t drops;
    struct link *link;
    const struct latch *latch;
    struct sensed *sensed;
};

/* Takes the information field of an I frame; false when it has no whole header. */
bool commands_take(struct commands *commands, const uint8_t *info, uint8_t count, uint32_t now_ms);

/* Ends what runs and what waits, at once; a load that changed hands already makes its command DONE. */
void commands_fail(struct commands *commands, uint8_t reason_running, uint8_t reason_waiting);

/* One step: what ended, what is too late, what begins. Reads the sensed state, drives and lifts. */
void commands_step(struct commands *commands, uint32_t now_ms);

#endif
