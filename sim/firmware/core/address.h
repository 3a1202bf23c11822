/* Address and control octets as the vehicle writes and reads them (sections 2 and 3). */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "frame.h"
#include "octets.h"

enum { LANE_LINK = 0, LANE_COMMANDS = 1, LANE_TELEMETRY = 2, LANE_STOP = 30 };

/* The C/R bit: commands of the bridge and responses of the vehicle carry 1. */
enum { BRIDGE_COMMAND = 2, BRIDGE_RESPONSE = 0, VEHICLE_COMMAND = 0, VEHICLE_RESPONSE = 2, C_R = 2 };

enum { SABME = 0x6F, UA = 0x63, DISC = 0x43, DM = 0x0F, XID = 0xAF, TEST = 0xE3, UI = 0x03 };
enum { RR = 0x01, RNR = 0x05, REJ = 0x09 };
enum { POLL_OF_U = 0x10, POLL_OF_I_AND_S = 0x01 };

static inline uint8_t *draft_begin(struct draft *draft, uint8_t lane, uint8_t sense, uint8_t control)
{
    draft->octets[0] = (uint8_t)((uint8_t)(lane << 2) | sense | 1u);
    draft->octets[1] = control;
    return draft->octets + 2;
}

static inline void draft_end(struct draft *draft, const uint8_t *end)
{
    draft->count = (uint8_t)(end - draft->octets);
}

#endif
