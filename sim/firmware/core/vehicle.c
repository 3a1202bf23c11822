#include "vehicle.h"

#include "address.h"
#include "messages.h"

#include <string.h>

void vehicle_boot(struct vehicle *vehicle, const struct vehicle_settings *settings, uint32_t now_ms)
{
    memset(vehicle, 0, sizeof *vehicle);
    strncpy(vehicle->identity.serial, settings->serial, NAME_OCTETS_MAX);
    vehicle->identity.boot_count = port_next_boot();
    vehicle->identity.reset_cause = settings->reset_cause;
    vehicle->booted_at_ms = now_ms;
    vehicle->stepped_at_ms = now_ms - STEP_MS;
    receiver_clear(&vehicle->receiver);
    link_boot(&vehicle->link);
    latch_boot(&vehicle->latch, vehicle->identity.boot_count, now_ms);
    vehicle->commands.cruise_mm_s = settings->cruise_mm_s;
    vehicle->commands.link = &vehicle->link;
    vehicle->commands.latch = &vehicle->latch;
    vehicle->commands.sensed = &vehicle->sensed;
    port_drive(0, 0, true);
    port_lift(LIFT_ABORT, 0, 0, 0);
    port_sense(&vehicle->sensed);
    port_seen(SEEN_BOOT, vehicle->identity.boot_count, settings->reset_cause);
    port_seen(SEEN_LATCHED, vehicle->latch.number, vehicle->latch.cause);
}

/* Standstill comes first, then what is to be told about it. */
static void stand_still(struct vehicle *vehicle)
{
    uint8_t cause = vehicle->latch.cause;
    port_drive(0, 0, true);
    port_seen(SEEN_STANDSTILL, vehicle->latch.number, cause);
    port_seen(SEEN_LATCHED, vehicle->latch.number, cause);
    port_sense(&vehicle->sensed);
    commands_fail(&vehicle->commands, cause == CAUSE_FAULT ? REASON_FAULT : REASON_STOPPED, REASON_LATCHED);
}

static void watch_lease(struct vehicle *vehicle, uint32_t now_ms)
{
    if (latch_lease_ended(&vehicle->latch, now_ms)) {
        stand_still(vehicle);
    }
}

static bool take_stop_lane(struct vehicle *vehicle, const uint8_t *octets, uint8_t count, uint32_t now_ms)
{
    bool longer_fits = vehicle->link.peer_minor > PROTOCOL_MINOR;
    if ((octets[0] & C_R) != BRIDGE_COMMAND || (octets[1] & (uint8_t)~POLL_OF_U) != UI) {
        return false;
    }
    switch (latch_take(&vehicle->latch, octets + 2, (uint8_t)(count - 2), longer_fits, now_ms)) {
    case LATCH_UNKNOWN:
        return false;
    case LATCH_CLOSED:
        stand_still(vehicle);
        break;
    case LATCH_RELEASED:
        port_seen(SEEN_RELEASED, vehicle->latch.number, RELEASED);
        break;
    case LATCH_SAME:
        break;
    }
    return true;
}

static bool take_command_lane(struct vehicle *vehicle, const uint8_t *octets, uint8_t count, uint32_t now_ms)
{
    if (!delivery_knows(octets, count)) {
        return false;
    }
    if (link_take_delivery(&vehicle->link, octets, now_ms) != DELIVERED_COMMAND) {
        return true;
    }
    port_sense(&vehicle->sensed);
    return commands_take(&vehicle->commands, octets + 3, (uint8_t)(count - 3), now_ms);
}

static bool take_frame(struct vehicle *vehicle, const uint8_t *octets, uint8_t count, uint32_t now_ms)
{
    if ((octets[0] & 1u) == 0) {
        return false;
    }
    switch (octets[0] >> 2) {
    case LANE_LINK:
        return link_take(&vehicle->link, octets, count);
    case LANE_COMMANDS:
        return take_command_lane(vehicle, octets, count, now_ms);
    case LANE_STOP:
        return take_stop_lane(vehicle, octets, count, now_ms);
    default:
        return false;
    }
}

static bool draft_next(struct vehicle *vehicle, struct draft *draft, uint32_t now_ms)
{
    struct situation now = {
        &vehicle->sensed, &vehicle->commands, &vehicle->latch, &vehicle->link, now_ms - vehicle->booted_at_ms,
    };
    uint32_t last_id = vehicle->commands.results.highest_id;
    return latch_next(&vehicle->latch, draft, now_ms) ||
           link_next(&vehicle->link, draft, &vehicle->identity, last_id, &vehicle->latch) ||
           (vehicle->link.open && delivery_next(&vehicle->link.delivery, draft, now_ms)) ||
           telemetry_next(&vehicle->telemetry, draft, &now);
}

/* Hands frames to the line while it takes them, so that at most one frame is ahead of STOP_ACK. */
static void send(struct vehicle *vehicle, uint32_t now_ms)
{
    struct draft draft;
    for (;;) {
        if (vehicle->line_sent == vehicle->line_count) {
            if (!draft_next(vehicle, &draft, now_ms)) {
                return;
            }
            vehicle->line_count = frame_encode(vehicle->line, &draft);
            vehicle->line_sent = 0;
        }
        uint16_t left = (uint16_t)(vehicle->line_count - vehicle->line_sent);
        uint16_t taken = port_send(vehicle->line + vehicle->line_sent, left);
        vehicle->line_sent = (uint16_t)(vehicle->line_sent + taken);
        if (taken < left) {
            return;
        }
    }
}

void vehicle_receive(struct vehicle *vehicle, const uint8_t *octets, uint16_t count, uint32_t now_ms)
{
    struct receiver *receiver = &vehicle->receiver;
    watch_lease(vehicle, now_ms);
    for (; count > 0; count--) {
        if (!receiver_take(receiver, *octets++)) {
            continue;
        }
        if (!take_frame(vehicle, receiver->octets, receiver->count, now_ms)) {
            receiver->counts.unknown++;
        }
        send(vehicle, now_ms);
    }
}

static void step(struct vehicle *vehicle, uint32_t now_ms)
{
    vehicle->stepped_at_ms = now_ms;
    port_sense(&vehicle->sensed);
    if (vehicle->sensed.faults != 0 && latch_close(&vehicle->latch, CAUSE_FAULT)) {
        stand_still(vehicle);
    }
    commands_step(&vehicle->commands, now_ms);
}

void vehicle_run(struct vehicle *vehicle, uint32_t now_ms)
{
    watch_lease(vehicle, now_ms);
    if (now_ms - vehicle->stepped_at_ms >= STEP_MS) {
        step(vehicle, now_ms);
    }
    link_run(&vehicle->link, now_ms);
    send(vehicle, now_ms);
}
