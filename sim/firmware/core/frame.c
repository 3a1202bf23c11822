/* Framing: every length is checked before an octet is stored. */
#include "frame.h"

#include <string.h>

enum { FLAG = 0x7E, ESCAPE = 0x7D, FLIP = 0x20 };

/* RFC 1662 C.3's table for half an octet at a time: 64 octets of memory instead of 1,024. */
static const uint32_t FCS_OF_NIBBLE[16] = {
    0x00000000ul, 0x1DB71064ul, 0x3B6E20C8ul, 0x26D930ACul, 0x76DC4190ul, 0x6B6B51F4ul,
    0x4DB26158ul, 0x5005713Cul, 0xEDB88320ul, 0xF00F9344ul, 0xD6D6A3E8ul, 0xCB61B38Cul,
    0x9B64C2B0ul, 0x86D3D2D4ul, 0xA00AE278ul, 0xBDBDF21Cul,
};

uint32_t fcs_over(uint32_t fcs, const uint8_t *octets, uint8_t count)
{
    while (count-- > 0) {
        fcs ^= *octets++;
        fcs = (fcs >> 4) ^ FCS_OF_NIBBLE[fcs & 0xFu];
        fcs = (fcs >> 4) ^ FCS_OF_NIBBLE[fcs & 0xFu];
    }
    return fcs;
}

void receiver_clear(struct receiver *receiver)
{
    memset(receiver, 0, sizeof *receiver);
    receiver->skipping = true;
}

static bool is_good(struct receiver *receiver)
{
    if (receiver->count < FRAME_OCTETS_MIN) {
        receiver->counts.runts += receiver->count > 0;
        return false;
    }
    if (receiver->fcs != FCS_GOOD) {
        receiver->counts.damaged++;
        return false;
    }
    receiver->counts.frames++;
    return true;
}

static bool take_flag(struct receiver *receiver)
{
    bool good = false;
    if (receiver->escaped) {
        receiver->counts.aborted++;
    } else if (!receiver->skipping) {
        good = is_good(receiver);
    }
    if (good) {
        receiver->count = (uint8_t)(receiver->count - FCS_OCTETS);
    }
    receiver->skipping = false;
    receiver->escaped = false;
    return good;
}

bool receiver_take(struct receiver *receiver, uint8_t octet)
{
    if (receiver->ended) {
        receiver->count = 0;
        receiver->fcs = FCS_START;
        receiver->ended = false;
    }
    if (octet == FLAG) {
        receiver->ended = true;
        return take_flag(receiver);
    }
    if (receiver->skipping) {
        return false;
    }
    if (octet == ESCAPE && !receiver->escaped) {
        receiver->escaped = true;
        return false;
    }
    if (receiver->count == FRAME_OCTETS_MAX) {
        receiver->counts.giants++;
        receiver->skipping = true;
        receiver->escaped = false;
        return false;
    }
    octet = receiver->escaped ? (uint8_t)(octet ^ FLIP) : octet;
    receiver->octets[receiver->count++] = octet;
    receiver->fcs = fcs_over(receiver->fcs, &octet, 1);
    receiver->escaped = false;
    return false;
}

static uint16_t put_transparent(uint8_t *line, uint16_t at, uint8_t octet)
{
    if (octet == FLAG || octet == ESCAPE) {
        line[at++] = ESCAPE;
        octet = (uint8_t)(octet ^ FLIP);
    }
    line[at++] = octet;
    return at;
}

uint16_t frame_encode(uint8_t line[LINE_OCTETS_MAX], const struct draft *draft)
{
    uint32_t fcs = ~fcs_over(FCS_START, draft->octets, draft->count);
    uint16_t at = 0;
    line[at++] = FLAG;
    for (uint8_t index = 0; index < draft->count; index++) {
        at = put_transparent(line, at, draft->octets[index]);
    }
    for (uint8_t shift = 0; shift < 32; shift = (uint8_t)(shift + 8)) {
        at = put_transparent(line, at, (uint8_t)((fcs >> shift) & 0xFFu));
    }
    line[at++] = FLAG;
    return at;
}
