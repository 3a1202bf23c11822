#include "telemetry.h"

#include "address.h"
#include "messages.h"

#include <string.h>

enum { MOVING_PERIOD_MS = 100, STANDING_PERIOD_MS = 500 };

static const char BOOT_TEXT[] = "booted, latched";

static uint16_t flags_of(const struct situation *now)
{
    const struct sensed *sensed = now->sensed;
    uint16_t flags = 0;
    flags |= sensed->speed_mm_s != 0 || sensed->turn_mrad_s != 0 ? FLAG_MOVING : 0;
    flags |= sensed->loaded ? FLAG_LOADED : 0;
    flags |= now->commands->paused ? FLAG_PAUSED : 0;
    flags |= sensed->charging ? FLAG_CHARGING : 0;
    flags |= now->latch->cause != RELEASED ? FLAG_LATCHED : 0;
    flags |= now->latch->lease_runs ? FLAG_LEASE_RUNNING : 0;
    flags |= now->link->open ? FLAG_LINK_OPEN : 0;
    return flags;
}

static bool is_due(const struct telemetry *telemetry, const struct telemetry *present, uint32_t now_ms)
{
    uint32_t period_ms = (present->flags & FLAG_MOVING) != 0 ? MOVING_PERIOD_MS : STANDING_PERIOD_MS;
    return !telemetry->status_sent || now_ms - telemetry->sent_at_ms >= period_ms ||
           telemetry->flags != present->flags || telemetry->faults != present->faults ||
           telemetry->command != present->command || telemetry->node != present->node;
}

static void put_status(struct draft *draft, const struct telemetry *present, const struct situation *now)
{
    const struct sensed *sensed = now->sensed;
    uint8_t *at = draft_begin(draft, LANE_TELEMETRY, VEHICLE_COMMAND, UI);
    at = put_u8(at, STATUS);
    at = put_u32(at, now->uptime_ms);
    at = put_u32(at, (uint32_t)sensed->x_mm);
    at = put_u32(at, (uint32_t)sensed->y_mm);
    at = put_u16(at, (uint16_t)sensed->theta_mrad);
    at = put_u16(at, (uint16_t)sensed->speed_mm_s);
    at = put_u16(at, (uint16_t)sensed->turn_mrad_s);
    at = put_u16(at, sensed->charge_permille);
    at = put_u16(at, present->flags);
    at = put_u16(at, present->faults);
    at = put_u32(at, present->command);
    at = put_u32(at, present->node);
    at = put_u32(at, now->commands->picks);
    draft_end(draft, put_u32(at, now->commands->drops));
}

static void put_boot_notice(struct draft *draft)
{
    uint8_t *at = put_u8(draft_begin(draft, LANE_TELEMETRY, VEHICLE_COMMAND, UI), NOTICE);
    memcpy(at, BOOT_TEXT, sizeof BOOT_TEXT - 1);
    draft_end(draft, at + sizeof BOOT_TEXT - 1);
}

bool telemetry_next(struct telemetry *telemetry, struct draft *draft, const struct situation *now)
{
    const struct commands *commands = now->commands;
    struct telemetry present = {
        .boot_noticed = true,
        .status_sent = true,
        .sent_at_ms = now->uptime_ms,
        .flags = flags_of(now),
        .faults = now->sensed->faults,
        .command = commands->runs ? commands->running.id : 0,
        .node = commands->node,
    };
    if (!telemetry->boot_noticed) {
        telemetry->boot_noticed = true;
        put_boot_notice(draft);
        return true;
    }
    if (is_due(telemetry, &present, now->uptime_ms)) {
        put_status(draft, &present, now);
        *telemetry = present;
        return true;
    }
    return false;
}
