#include "latch.h"

#include "address.h"
#include "messages.h"
#include "octets.h"

#include <string.h>

static uint16_t next_number(uint16_t number)
{
    return number == UINT16_MAX ? 1 : (uint16_t)(number + 1u);
}

void latch_boot(struct latch *latch, uint32_t boot_count, uint32_t now_ms)
{
    enum { NUMBERS_PER_BOOT = 257, BOOTS = 255 }; /* 257 * 255 = 65535: a first number returns after 255 boots */
    memset(latch, 0, sizeof *latch);
    latch->number = (uint16_t)(boot_count % BOOTS * NUMBERS_PER_BOOT + 1u);
    latch->cause = CAUSE_BOOT;
    latch->beat_at_ms = now_ms;
}

static void close_anew(struct latch *latch, uint8_t cause)
{
    latch->number = next_number(latch->number);
    latch->cause = cause;
}

bool latch_close(struct latch *latch, uint8_t cause)
{
    if (latch->cause != RELEASED) {
        return false;
    }
    close_anew(latch, cause);
    return true;
}

static uint16_t lease_left_ms(const struct latch *latch, uint32_t now_ms)
{
    uint32_t age_ms = now_ms - latch->lease_came_ms;
    return latch->lease_runs && age_ms < latch->lease_ms ? (uint16_t)(latch->lease_ms - age_ms) : 0;
}

bool latch_lease_ended(struct latch *latch, uint32_t now_ms)
{
    if (!latch->lease_runs || lease_left_ms(latch, now_ms) > 0) {
        return false;
    }
    latch->lease_runs = false;
    return latch_close(latch, CAUSE_LEASE);
}

static enum latch_change take_heartbeat(struct latch *latch, const uint8_t *info, uint32_t now_ms)
{
    uint16_t lease_ms = get_u16(info + 3);
    latch->lease_ms = lease_ms < LEASE_MS_MAX ? lease_ms : LEASE_MS_MAX;
    latch->lease_came_ms = now_ms;
    latch->lease_runs = true;
    return latch_lease_ended(latch, now_ms) ? LATCH_CLOSED : LATCH_SAME;
}

static enum latch_change take_stop(struct latch *latch, const uint8_t *info)
{
    uint16_t stop = get_u16(info + 1);
    if (stop == 0) {
        return LATCH_UNKNOWN;
    }
    if (latch->stops_count == STOP_ACKS_MAX) { /* the bridge repeats: the newest ones matter */
        memmove(latch->stops, latch->stops + 1, sizeof latch->stops - sizeof latch->stops[0]);
        latch->stops_count--;
    }
    latch->stops[latch->stops_count++] = stop;
    if (latch->cause != RELEASED && stop == latch->stop) {
        return LATCH_SAME; /* a repetition */
    }
    latch->stop = stop;
    close_anew(latch, CAUSE_STOP); /* latched already, too: a RESET that is on its way must not release this stop */
    return LATCH_CLOSED;
}

static enum latch_change take_reset(struct latch *latch, const uint8_t *info)
{
    bool fits = get_u16(info + 1) == latch->number && latch->lease_runs && latch->stops_count == 0;
    bool releases = fits && latch->cause != RELEASED;
    latch->reset_ack_due = true;
    if (releases) {
        latch->cause = RELEASED;
    }
    return releases ? LATCH_RELEASED : LATCH_SAME;
}

static uint8_t known_octets(uint8_t message)
{
    switch (message) {
    case HEARTBEAT:
        return HEARTBEAT_OCTETS;
    case STOP:
        return STOP_OCTETS;
    case RESET:
        return RESET_OCTETS;
    default:
        return 0;
    }
}

enum latch_change latch_take(struct latch *latch, const uint8_t *info, uint8_t count, bool longer_fits,
                             uint32_t now_ms)
{
    uint8_t known = count > 0 ? known_octets(info[0]) : 0;
    if (known == 0 || count < known || (count > known && !longer_fits)) {
        return LATCH_UNKNOWN;
    }
    switch (info[0]) {
    case HEARTBEAT:
        return take_heartbeat(latch, info, now_ms);
    case STOP:
        return take_stop(latch, info);
    default:
        return take_reset(latch, info);
    }
}

static void put_stop_ack(struct latch *latch, struct draft *draft)
{
    uint8_t *at = draft_begin(draft, LANE_STOP, VEHICLE_COMMAND, UI);
    at = put_u8(at, STOP_ACK);
    at = put_u16(at, latch->stops[0]);
    draft_end(draft, put_u16(at, latch->number));
    latch->stops_count--;
    memmove(latch->stops, latch->stops + 1, latch->stops_count * sizeof latch->stops[0]);
}

static void put_reset_ack(struct latch *latch, struct draft *draft)
{
    uint8_t *at = draft_begin(draft, LANE_STOP, VEHICLE_COMMAND, UI);
    at = put_u8(at, RESET_ACK);
    at = put_u16(at, latch->number);
    draft_end(draft, put_u8(at, latch->cause));
    latch->reset_ack_due = false;
}

static void put_heartbeat(struct latch *latch, struct draft *draft, uint32_t now_ms)
{
    uint8_t *at = draft_begin(draft, LANE_STOP, VEHICLE_COMMAND, UI);
    at = put_u8(at, HEARTBEAT);
    at = put_u16(at, ++latch->counter);
    at = put_u16(at, lease_left_ms(latch, now_ms));
    at = put_u16(at, latch->number);
    draft_end(draft, put_u8(at, latch->cause));
    latch->beat_at_ms += HEARTBEAT_PERIOD_MS;
    if ((int32_t)(now_ms - latch->beat_at_ms) >= 0) { /* the line was full: no burst afterwards */
        latch->beat_at_ms = now_ms + HEARTBEAT_PERIOD_MS;
    }
}

bool latch_next(struct latch *latch, struct draft *draft, uint32_t now_ms)
{
    if (latch->stops_count > 0) {
        put_stop_ack(latch, draft);
    } else if (latch->reset_ack_due) {
        put_reset_ack(latch, draft);
    } else if ((int32_t)(now_ms - latch->beat_at_ms) >= 0) {
        put_heartbeat(latch, draft, now_ms);
    } else {
        return false;
    }
    return true;
}
