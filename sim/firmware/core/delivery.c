#include "delivery.h"

#include "address.h"
#include "messages.h"

#include <string.h>

enum { MODULO = 128, EXPIRIES_MAX = 5 };

/* How far `number` is ahead of `from`, modulo 128. */
static uint8_t distance(uint8_t from, uint8_t number)
{
    return (uint8_t)((uint8_t)(number - from) % MODULO);
}

static uint8_t following(uint8_t number)
{
    return (uint8_t)((number + 1u) % MODULO);
}

void delivery_open(struct delivery *delivery, uint8_t window)
{
    memset(delivery, 0, sizeof *delivery);
    delivery->window = window;
    timer_clear(&delivery->timer);
}

bool delivery_post(struct delivery *delivery, const struct result *result)
{
    if (delivery->outbox_count == OUTBOX_MAX) {
        return false;
    }
    delivery->outbox[(delivery->outbox_first + delivery->outbox_count) % OUTBOX_MAX] = *result;
    delivery->outbox_count++;
    return true;
}

static bool has_room(const struct delivery *delivery)
{
    return OUTBOX_MAX - delivery->outbox_count >= OUTBOX_RESERVE;
}

static void go_back(struct delivery *delivery)
{
    delivery->next = delivery->v_a;
    delivery->timed = false; /* Karn: a frame sent twice measures nothing */
}

static void acknowledge(struct delivery *delivery, uint8_t n_r, uint32_t now_ms)
{
    uint8_t done = distance(delivery->v_a, n_r);
    if (done == 0) {
        return;
    }
    if (delivery->timed && distance(delivery->v_a, delivery->timed_number) < done) {
        timer_sample(&delivery->timer, now_ms - delivery->timed_at_ms);
        delivery->timed = false;
    }
    if (distance(delivery->v_a, delivery->next) < done) { /* acknowledged while we went back to it */
        delivery->next = n_r;
    }
    delivery->outbox_first = (uint8_t)((delivery->outbox_first + done) % OUTBOX_MAX);
    delivery->outbox_count = (uint8_t)(delivery->outbox_count - done);
    delivery->v_a = n_r;
    delivery->expiries = 0;
    delivery->timer.runs = false;
    if (delivery->v_a != delivery->v_s) {
        timer_start(&delivery->timer, now_ms);
    }
}

static bool takes_information(struct delivery *delivery, uint8_t n_s)
{
    uint8_t ahead = distance(delivery->v_r, n_s);
    delivery->ack_due = true;
    if (ahead != 0) {
        bool repeated = ahead >= MODULO - WINDOW_MAX;
        if (!repeated && !delivery->rejected) {
            delivery->reject_due = true;
        }
        delivery->ack_due = repeated;
        return false;
    }
    if (!has_room(delivery)) {
        return false;
    }
    delivery->v_r = following(delivery->v_r);
    delivery->rejected = false;
    delivery->reject_due = false;
    return true;
}

static void take_supervision(struct delivery *delivery, uint8_t kind, uint32_t now_ms)
{
    bool was_busy = delivery->peer_busy;
    delivery->peer_busy = kind == RNR;
    if (kind == REJ || delivery->peer_busy || was_busy) {
        go_back(delivery);
    }
    if (delivery->peer_busy && !delivery->timer.runs) {
        timer_start(&delivery->timer, now_ms);
    }
    if (was_busy && !delivery->peer_busy && delivery->v_a == delivery->v_s) {
        delivery->timer.runs = false;
    }
}

bool delivery_knows(const uint8_t *octets, uint8_t count)
{
    if (count < 3 || count - 3 > INFO_OCTETS_MAX) {
        return false;
    }
    bool command = (octets[0] & C_R) == BRIDGE_COMMAND;
    if ((octets[1] & 1u) == 0) {
        return command;
    }
    bool polls_or_ends = (octets[2] & POLL_OF_I_AND_S) != 0;
    bool supervision = octets[1] == RR || octets[1] == RNR || octets[1] == REJ;
    return supervision && count == 3 && (polls_or_ends || !command);
}

enum delivered delivery_take(struct delivery *delivery, const uint8_t *octets, uint32_t now_ms)
{
    bool polls_or_ends = (octets[2] & POLL_OF_I_AND_S) != 0;
    uint8_t n_r = octets[2] >> 1;
    if (distance(delivery->v_a, n_r) > distance(delivery->v_a, delivery->v_s)) {
        return DELIVERED_BROKEN;
    }
    acknowledge(delivery, n_r, now_ms);
    if (polls_or_ends && (octets[0] & C_R) == BRIDGE_COMMAND) {
        delivery->final_due = true;
    }
    if ((octets[1] & 1u) == 0) {
        return takes_information(delivery, octets[1] >> 1) ? DELIVERED_COMMAND : DELIVERED_NOTHING;
    }
    take_supervision(delivery, octets[1], now_ms);
    return DELIVERED_NOTHING;
}

bool delivery_run(struct delivery *delivery, uint32_t now_ms)
{
    if (delivery->busy && has_room(delivery)) { /* RR says that we take frames again */
        delivery->ack_due = true;
    }
    if (!timer_ended(&delivery->timer, now_ms)) {
        return true;
    }
    if (delivery->peer_busy) {
        delivery->poll_due = true;
    } else if (++delivery->expiries == EXPIRIES_MAX) {
        return false;
    } else {
        timer_back_off(&delivery->timer);
        go_back(delivery);
    }
    timer_start(&delivery->timer, now_ms);
    return true;
}

static void put_supervision(struct delivery *delivery, struct draft *draft, uint8_t kind, uint8_t sense, bool flag)
{
    uint8_t *at = draft_begin(draft, LANE_COMMANDS, sense, kind);
    draft_end(draft, put_u8(at, (uint8_t)(delivery->v_r << 1 | (flag ? POLL_OF_I_AND_S : 0))));
    delivery->ack_due = false;
}

static bool may_send(const struct delivery *delivery)
{
    uint8_t ahead = distance(delivery->v_a, delivery->next);
    return !delivery->peer_busy && ahead < delivery->outbox_count && ahead < delivery->window;
}

static void put_result(struct delivery *delivery, struct draft *draft, uint32_t now_ms)
{
    uint8_t ahead = distance(delivery->v_a, delivery->next);
    const struct result *result = &delivery->outbox[(delivery->outbox_first + ahead) % OUTBOX_MAX];
    uint8_t *at = draft_begin(draft, LANE_COMMANDS, VEHICLE_COMMAND, (uint8_t)(delivery->next << 1));
    at = put_u8(at, (uint8_t)(delivery->v_r << 1));
    at = put_u8(at, RESULT);
    at = put_u32(at, result->id);
    at = put_u16(at, result->epoch);
    at = put_u8(at, result->outcome);
    at = put_u8(at, result->reason);
    draft_end(draft, put_u8(at, result->prior));
    delivery->ack_due = false;
    if (delivery->next == delivery->v_s) {
        delivery->v_s = following(delivery->v_s);
        if (!delivery->timed) {
            delivery->timed = true;
            delivery->timed_number = delivery->next;
            delivery->timed_at_ms = now_ms;
        }
    }
    delivery->next = following(delivery->next);
    if (!delivery->timer.runs) {
        timer_start(&delivery->timer, now_ms);
    }
}

bool delivery_next(struct delivery *delivery, struct draft *draft, uint32_t now_ms)
{
    bool busy = !has_room(delivery);
    uint8_t ready = busy ? RNR : RR;
    bool acknowledges = delivery->ack_due && (busy || delivery->busy);
    if (delivery->reject_due) {
        put_supervision(delivery, draft, REJ, VEHICLE_RESPONSE, delivery->final_due);
        delivery->reject_due = false;
        delivery->final_due = false;
        delivery->rejected = true;
    } else if (delivery->final_due) {
        put_supervision(delivery, draft, ready, VEHICLE_RESPONSE, true);
        delivery->final_due = false;
        delivery->busy = busy;
    } else if (delivery->poll_due) {
        put_supervision(delivery, draft, ready, VEHICLE_COMMAND, true);
        delivery->poll_due = false;
        delivery->busy = busy;
    } else if (!acknowledges && may_send(delivery)) {
        put_result(delivery, draft, now_ms);
    } else if (delivery->ack_due) {
        put_supervision(delivery, draft, ready, VEHICLE_RESPONSE, false);
        delivery->busy = busy;
    } else {
        return false;
    }
    return true;
}
