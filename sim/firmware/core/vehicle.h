/* The whole firmware: its parts, what a frame does to them, its 10 ms step, and who may send next. */
#ifndef VEHICLE_H
#define VEHICLE_H

#include "commands.h"
#include "frame.h"
#include "latch.h"
#include "link.h"
#include "port.h"
#include "telemetry.h"

#include <stdbool.h>
#include <stdint.h>

enum { STEP_MS = 10 };
enum { RESET_UNKNOWN = 0, RESET_POWER = 1, RESET_PIN = 2, RESET_WATCHDOG = 3, RESET_SOFTWARE = 4 };

struct vehicle_settings {
    const char *serial; /* ASCII, the first 32 characters count */
    uint16_t cruise_mm_s;
    uint8_t reset_cause;
};

struct vehicle {
    struct identity identity;
    struct receiver receiver;
    struct link link;
    struct latch latch;
    struct commands commands;
    struct telemetry telemetry;
    struct sensed sensed;
    uint32_t booted_at_ms;
    uint32_t stepped_at_ms;
    uint8_t line[LINE_OCTETS_MAX]; /* the one frame that is going out */
    uint16_t line_count;
    uint16_t line_sent;
};

/* Begins anew, latched. `now_ms` is any clock that counts milliseconds and may wrap; also below. */
void vehicle_boot(struct vehicle *vehicle, const struct vehicle_settings *settings, uint32_t now_ms);

/* Takes octets from the line, in any portions. */
void vehicle_receive(struct vehicle *vehicle, const uint8_t *octets, uint16_t count, uint32_t now_ms);

/* Runs what is due; call it at least every millisecond or two. */
void vehicle_run(struct vehicle *vehicle, uint32_t now_ms);

#endif
