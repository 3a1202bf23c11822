/* RFC 1662 framing with FCS-32: octets from the line in, good frames out, and the way back (section 1). */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    INFO_OCTETS_MAX = 128,
    FCS_OCTETS = 4,
    FRAME_OCTETS_MIN = 6,
    FRAME_OCTETS_MAX = 135,
    DRAFT_OCTETS_MAX = FRAME_OCTETS_MAX - FCS_OCTETS,
    LINE_OCTETS_MAX = 2 + 2 * FRAME_OCTETS_MAX
};

/* A frame without flags, transparency and FCS. */
struct draft {
    uint8_t octets[DRAFT_OCTETS_MAX];
    uint8_t count;
};

/* What was dropped, by cause; `unknown` is counted by whoever reads address, control and information. */
struct line_counts {
    uint32_t frames;
    uint32_t runts;
    uint32_t giants;
    uint32_t damaged;
    uint32_t aborted;
    uint32_t unknown;
};

struct receiver {
    uint8_t octets[FRAME_OCTETS_MAX];
    uint8_t count;
    uint32_t fcs; /* over what came so far: at the flag there is no time left for it */
    bool skipping; /* until the next flag: before the first one, and behind a giant's limit */
    bool escaped;
    bool ended; /* the last octet was a flag: the next one begins a frame */
    struct line_counts counts;
};

void receiver_clear(struct receiver *receiver);

/* True when `octet` ended a good frame: it is in `octets`, `count` long without its FCS, until the next call. */
bool receiver_take(struct receiver *receiver, uint8_t octet);

/* Writes a draft as it goes to the line, both flags included; returns the number of octets. */
uint16_t frame_encode(uint8_t line[LINE_OCTETS_MAX], const struct draft *draft);

/* The register after `count` more octets; begins with FCS_START, a good frame with its FCS leaves FCS_GOOD. */
uint32_t fcs_over(uint32_t fcs, const uint8_t *octets, uint8_t count);

#define FCS_START 0xFFFFFFFFul
#define FCS_GOOD 0xDEBB20E3ul

#endif
