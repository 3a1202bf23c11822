/* The link's opening and closing on lane 0, around lane 1 (section 4). */
#ifndef LINK_H
#define LINK_H

#include "delivery.h"
#include "xid.h"

#include <stdbool.h>
#include <stdint.h>

/* A U frame to be answered, and whether by F=1. */
struct answer {
    bool due;
    bool final;
};

struct link {
    bool open;
    bool fits; /* the bridge that introduced itself last speaks our major and our message table */
    uint8_t peer_minor;
    uint8_t peer_window;
    uint16_t epoch;         /* of this opening */
    uint16_t epoch_offered; /* of the last XID command */
    struct answer ua;
    struct answer dm;
    struct answer xid;
    struct answer test;
    uint8_t test_info[INFO_OCTETS_MAX];
    uint8_t test_count;
    struct delivery delivery;
};

void link_boot(struct link *link);

/* Takes a frame of lane 0; false when it is unknown. */
bool link_take(struct link *link, const uint8_t *octets, uint8_t count);

/* Takes a frame of lane 1 that delivery_knows; DELIVERED_BROKEN: the link is closed, DM says so. */
enum delivered link_take_delivery(struct link *link, const uint8_t *octets, uint32_t now_ms);

void link_run(struct link *link, uint32_t now_ms);

/* The next frame of lane 0 to send, if one is due. */
bool link_next(struct link *link, struct draft *draft, const struct identity *identity, uint32_t last_id,
               const struct latch *latch);

#endif
