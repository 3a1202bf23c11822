#include "xid.h"

#include "delivery.h"
#include "messages.h"
#include "octets.h"

#include <string.h>

#define FIRMWARE "storeforward-reference 1.0"
#define PARAMETER_SET "SF1"

enum { FORMAT = 0x82, GROUP_LINK = 0x80, GROUP_OURS = 0xF0, GROUP_HEADER_OCTETS = 3, PARAMETER_HEADER_OCTETS = 2 };

enum { PI_INFORMATION = 0x06, PI_WINDOW = 0x08 };

enum {
    PI_SET = 0x00,
    PI_PROTOCOL = 0x01,
    PI_TABLE = 0x02,
    PI_EPOCH = 0x03,
    PI_LEASE = 0x10,
    PI_FIRMWARE = 0x11,
    PI_VEHICLE = 0x12,
    PI_BOOTS = 0x13,
    PI_RESET_CAUSE = 0x14,
    PI_LAST_COMMAND = 0x15,
    PI_LATCH = 0x16
};

#define KEY(group, name) ((uint16_t)((uint16_t)(group) << 8 | (name)))

struct parameter {
    uint8_t group;
    uint8_t name;
    uint8_t length;
    const uint8_t *value;
};

/* Takes a known parameter, skips an unknown one; false when a known one has another length. */
static bool read_parameter(struct introduction *introduction, const struct parameter *parameter)
{
    uint32_t value = parameter->length <= 4 ? get_big(parameter->value, parameter->length) : 0;
    switch (KEY(parameter->group, parameter->name)) {
    case KEY(GROUP_LINK, PI_WINDOW):
        introduction->window = (uint8_t)value;
        return parameter->length == 1;
    case KEY(GROUP_OURS, PI_PROTOCOL):
        introduction->major = (uint8_t)(value >> 8);
        introduction->minor = (uint8_t)(value & 0xFFu);
        return parameter->length == 2;
    case KEY(GROUP_OURS, PI_TABLE):
        introduction->table_hash = value;
        return parameter->length == 4;
    case KEY(GROUP_OURS, PI_EPOCH):
        introduction->epoch = (uint16_t)value;
        return parameter->length == 2;
    default:
        return true;
    }
}

static bool is_our_set(const uint8_t *at, uint8_t length)
{
    enum { SET_OCTETS = 3 };
    return length >= PARAMETER_HEADER_OCTETS + SET_OCTETS && at[0] == PI_SET && at[1] == SET_OCTETS &&
           memcmp(at + PARAMETER_HEADER_OCTETS, PARAMETER_SET, SET_OCTETS) == 0;
}

static bool read_group(struct introduction *introduction, uint8_t group, const uint8_t *at, uint8_t length)
{
    if (group != GROUP_LINK && !(group == GROUP_OURS && is_our_set(at, length))) {
        return true;
    }
    while (length > 0) {
        if (length < PARAMETER_HEADER_OCTETS || at[1] > length - PARAMETER_HEADER_OCTETS) {
            return false;
        }
        struct parameter parameter = {group, at[0], at[1], at + PARAMETER_HEADER_OCTETS};
        if (!read_parameter(introduction, &parameter)) {
            return false;
        }
        length = (uint8_t)(length - PARAMETER_HEADER_OCTETS - parameter.length);
        at += PARAMETER_HEADER_OCTETS + parameter.length;
    }
    return true;
}

bool xid_read(const uint8_t *info, uint8_t count, struct introduction *introduction)
{
    memset(introduction, 0, sizeof *introduction);
    if (count == 0 || *info++ != FORMAT) {
        return false;
    }
    count--;
    while (count > 0) {
        uint8_t behind = (uint8_t)(count - GROUP_HEADER_OCTETS);
        if (count < GROUP_HEADER_OCTETS || get_big(info + 1, 2) > behind) {
            return false;
        }
        uint8_t length = info[2];
        if (!read_group(introduction, info[0], info + GROUP_HEADER_OCTETS, length)) {
            return false;
        }
        info += GROUP_HEADER_OCTETS + length;
        count = (uint8_t)(behind - length);
    }
    return true;
}

static uint8_t *put_number(uint8_t *at, uint8_t name, uint32_t value, uint8_t length)
{
    return put_big(put_u8(put_u8(at, name), length), value, length);
}

static uint8_t *put_text(uint8_t *at, uint8_t name, const char *text)
{
    uint8_t length = 0;
    while (length < NAME_OCTETS_MAX && text[length] != '\0') {
        length++;
    }
    at = put_u8(put_u8(at, name), length);
    memcpy(at, text, length);
    return at + length;
}

/* Writes the length of the group that began at `group`, and returns its end. */
static uint8_t *end_group(uint8_t *group, uint8_t *end)
{
    put_big(group + 1, (uint32_t)(end - group - GROUP_HEADER_OCTETS), 2);
    return end;
}

uint8_t *xid_write(uint8_t *at, const struct identity *identity, uint32_t last_id, const struct latch *latch)
{
    at = put_u8(at, FORMAT);
    uint8_t *group = at;
    at = put_u8(at, GROUP_LINK) + 2;
    at = put_number(at, PI_INFORMATION, 8ul * INFO_OCTETS_MAX, 2);
    at = end_group(group, put_number(at, PI_WINDOW, WINDOW_MAX, 1));
    group = at;
    at = put_u8(at, GROUP_OURS) + 2;
    at = put_text(at, PI_SET, PARAMETER_SET);
    at = put_number(at, PI_PROTOCOL, PROTOCOL_MAJOR << 8 | PROTOCOL_MINOR, 2);
    at = put_number(at, PI_TABLE, MESSAGE_TABLE_HASH, 4);
    at = put_number(at, PI_LEASE, (uint32_t)LEASE_MS_MIN << 16 | LEASE_MS_MAX, 4);
    at = put_text(at, PI_FIRMWARE, FIRMWARE);
    at = put_text(at, PI_VEHICLE, identity->serial);
    at = put_number(at, PI_BOOTS, identity->boot_count, 4);
    at = put_number(at, PI_RESET_CAUSE, identity->reset_cause, 1);
    at = put_number(at, PI_LAST_COMMAND, last_id, 4);
    return end_group(group, put_number(at, PI_LATCH, (uint32_t)latch->number << 8 | latch->cause, 3));
}
