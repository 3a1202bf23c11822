/* Numbers in octets: little-endian in messages, most significant octet first in XID information. */
#ifndef OCTETS_H
#define OCTETS_H

#include <stdint.h>

static inline uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)((uint16_t)at[1] << 8 | at[0]);
}

static inline uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)get_u16(at) | ((uint32_t)get_u16(at + 2) << 16);
}

static inline uint8_t *put_u8(uint8_t *at, uint8_t value)
{
    *at = value;
    return at + 1;
}

static inline uint8_t *put_u16(uint8_t *at, uint16_t value)
{
    return put_u8(put_u8(at, (uint8_t)(value & 0xFFu)), (uint8_t)(value >> 8));
}

static inline uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    return put_u16(put_u16(at, (uint16_t)(value & 0xFFFFu)), (uint16_t)(value >> 16));
}

static inline uint32_t get_big(const uint8_t *at, uint8_t octets)
{
    uint32_t value = 0;
    while (octets-- > 0) {
        value = (value << 8) | *at++;
    }
    return value;
}

static inline uint8_t *put_big(uint8_t *at, uint32_t value, uint8_t octets)
{
    while (octets-- > 0) {
        *at++ = (uint8_t)((value >> (8u * octets)) & 0xFFu);
    }
    return at;
}

#endif
