/* Lane 2: STATUS when it is due or something changed, and a NOTICE at the boot (section 8). */
#ifndef TELEMETRY_H
#define TELEMETRY_H

#include "commands.h"
#include "frame.h"
#include "latch.h"
#include "link.h"
#include "port.h"

#include <stdbool.h>
#include <stdint.h>

/* What STATUS is made of. */
struct situation {
    const struct sensed *sensed;
    const struct commands *commands;
    const struct latch *latch;
    const struct link *link;
    uint32_t uptime_ms;
};

struct telemetry {
    bool boot_noticed;
    bool status_sent;
    uint32_t sent_at_ms;
    uint16_t flags; /* as sent last, like the next three */
    uint16_t faults;
    uint32_t command;
    uint32_t node;
};

bool telemetry_next(struct telemetry *telemetry, struct draft *draft, const struct situation *now);

#endif
