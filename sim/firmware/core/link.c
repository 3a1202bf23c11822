#include "link.h"

#include "address.h"
#include "messages.h"

#include <string.h>

void link_boot(struct link *link)
{
    memset(link, 0, sizeof *link);
    delivery_open(&link->delivery, 1);
}

static struct answer answer_to(uint8_t control)
{
    return (struct answer){.due = true, .final = (control & POLL_OF_U) != 0};
}

static void close_link(struct link *link, bool final)
{
    link->open = false;
    link->dm = (struct answer){.due = true, .final = final};
}

static bool take_xid(struct link *link, const uint8_t *octets, uint8_t count)
{
    struct introduction bridge;
    if (!xid_read(octets + 2, (uint8_t)(count - 2), &bridge)) {
        return false;
    }
    link->fits = bridge.major == PROTOCOL_MAJOR && bridge.table_hash == MESSAGE_TABLE_HASH;
    link->peer_minor = bridge.minor;
    link->peer_window = bridge.window < WINDOW_MAX ? bridge.window : WINDOW_MAX;
    link->epoch_offered = bridge.epoch;
    link->xid = answer_to(octets[1]);
    return true;
}

static void take_opening(struct link *link, uint8_t control)
{
    if (!link->fits || link->epoch_offered == 0 || link->peer_window == 0) {
        close_link(link, (control & POLL_OF_U) != 0);
        return;
    }
    delivery_open(&link->delivery, link->peer_window);
    link->open = true;
    link->epoch = link->epoch_offered;
    link->ua = answer_to(control);
    link->dm.due = false;
}

static void take_closing(struct link *link, uint8_t control)
{
    if (link->open) {
        link->open = false;
        link->ua = answer_to(control);
    } else {
        link->dm = answer_to(control);
    }
}

static void take_test(struct link *link, const uint8_t *octets, uint8_t count)
{
    link->test = answer_to(octets[1]);
    link->test_count = (uint8_t)(count - 2);
    memcpy(link->test_info, octets + 2, link->test_count);
}

bool link_take(struct link *link, const uint8_t *octets, uint8_t count)
{
    bool command = (octets[0] & C_R) == BRIDGE_COMMAND;
    bool bare = count == 2;
    uint8_t kind = octets[1] & (uint8_t)~POLL_OF_U;
    if (count - 2 > INFO_OCTETS_MAX) {
        return false;
    }
    if (kind == DM && !command && bare) {
        link->open = false;
        return true;
    }
    if (!command) {
        return false;
    }
    if (kind == SABME && bare) {
        take_opening(link, octets[1]);
    } else if (kind == DISC && bare) {
        take_closing(link, octets[1]);
    } else if (kind == TEST) {
        take_test(link, octets, count);
    } else {
        return kind == XID && take_xid(link, octets, count);
    }
    return true;
}

enum delivered link_take_delivery(struct link *link, const uint8_t *octets, uint32_t now_ms)
{
    bool final = (octets[2] & POLL_OF_I_AND_S) != 0;
    enum delivered delivered = link->open ? delivery_take(&link->delivery, octets, now_ms) : DELIVERED_BROKEN;
    if (delivered == DELIVERED_BROKEN) {
        close_link(link, final);
    }
    return delivered;
}

void link_run(struct link *link, uint32_t now_ms)
{
    if (link->open && !delivery_run(&link->delivery, now_ms)) {
        close_link(link, false);
    }
}

static bool put_bare(struct draft *draft, struct answer *answer, uint8_t control)
{
    if (!answer->due) {
        return false;
    }
    answer->due = false;
    control = (uint8_t)(control | (answer->final ? POLL_OF_U : 0));
    draft_end(draft, draft_begin(draft, LANE_LINK, VEHICLE_RESPONSE, control));
    return true;
}

bool link_next(struct link *link, struct draft *draft, const struct identity *identity, uint32_t last_id,
               const struct latch *latch)
{
    if (put_bare(draft, &link->ua, UA) || put_bare(draft, &link->dm, DM)) {
        return true;
    }
    uint8_t *at = draft->octets + 2;
    if (put_bare(draft, &link->xid, XID)) {
        draft_end(draft, xid_write(at, identity, last_id, latch));
        return true;
    }
    if (put_bare(draft, &link->test, TEST)) {
        memcpy(at, link->test_info, link->test_count);
        draft_end(draft, at + link->test_count);
        return true;
    }
    return false;
}
