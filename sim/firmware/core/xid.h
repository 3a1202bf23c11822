/* The information field of XID: what both stations say of themselves before a link opens (section 4). */
#ifndef XID_H
#define XID_H

#include "latch.h"

#include <stdbool.h>
#include <stdint.h>

enum { NAME_OCTETS_MAX = 32 };

struct identity {
    char serial[NAME_OCTETS_MAX + 1];
    uint32_t boot_count;
    uint8_t reset_cause;
};

/* What a bridge said; 0 where it said nothing. */
struct introduction {
    uint8_t major;
    uint8_t minor;
    uint32_t table_hash;
    uint16_t epoch;
    uint8_t window;
};

/* Reads the bridge's XID; false when the field is not well formed. */
bool xid_read(const uint8_t *info, uint8_t count, struct introduction *introduction);

/* Writes the vehicle's; at most INFO_OCTETS_MAX octets. Returns the end. */
uint8_t *xid_write(uint8_t *at, const struct identity *identity, uint32_t last_id, const struct latch *latch);

#endif
