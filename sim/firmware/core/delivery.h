/* Lane 1: sequenced delivery, go back N with REJ (section 5). Knows results, not what became of commands. */
#ifndef DELIVERY_H
#define DELIVERY_H

#include "frame.h"
#include "timer.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WINDOW_MAX = 8,
    OUTBOX_MAX = 64,
    OUTBOX_RESERVE = 24 /* what 8 waiting commands, the running one and CANCEL can still bring: RNR below it */
};

/* A RESULT, as it waits for the line. */
struct result {
    uint32_t id;
    uint16_t epoch;
    uint8_t outcome;
    uint8_t reason;
    uint8_t prior;
};

enum delivered { DELIVERED_NOTHING, DELIVERED_COMMAND, DELIVERED_BROKEN };

struct delivery {
    struct result outbox[OUTBOX_MAX]; /* a ring; the first one has the sequence number V(A) */
    uint8_t outbox_first;
    uint8_t outbox_count;
    uint8_t window;
    uint8_t v_a; /* the oldest not acknowledged */
    uint8_t v_s; /* the next new one */
    uint8_t v_r; /* awaited from the peer */
    uint8_t next; /* the next to be sent, behind V(S) while we go back */
    bool ack_due;
    bool final_due; /* the peer polled */
    bool poll_due;
    bool reject_due;
    bool rejected; /* REJ was sent and the awaited frame has not come */
    bool busy; /* RNR was sent last */
    bool peer_busy;
    uint8_t expiries; /* in a row */
    bool timed; /* the round trip of `timed_number` is being measured */
    uint8_t timed_number;
    uint32_t timed_at_ms;
    struct timer timer;
};

/* Begins anew: all sequence numbers are 0, nothing waits. */
void delivery_open(struct delivery *delivery, uint8_t window);

/* Adds a result; false when there is no room, which the reserve prevents. */
bool delivery_post(struct delivery *delivery, const struct result *result);

/* Whether octets from address to information are an I or S frame of the bridge. */
bool delivery_knows(const uint8_t *octets, uint8_t count);

/* Takes such a frame. DELIVERED_COMMAND: its information field is the next command. */
enum delivered delivery_take(struct delivery *delivery, const uint8_t *octets, uint32_t now_ms);

/* Runs the timer; false after the fifth expiry in a row. */
bool delivery_run(struct delivery *delivery, uint32_t now_ms);

/* The next frame to send, if one is due. */
bool delivery_next(struct delivery *delivery, struct draft *draft, uint32_t now_ms);

#endif
