# XID information: what both sides say of themselves before a link opens (PROTOCOL.md, section 4).

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    XID_COMMAND_OCTETS = 33
    PROTOCOL_MAJOR = 1
    PROTOCOL_MINOR = 0

cdef enum Refused:
    SUITS
    OTHER_MAJOR
    OTHER_TABLE
    TOO_SMALL                   # takes shorter frames than our longest command

cdef struct XidAnswer:
    uint8_t major
    uint32_t table
    uint32_t information_bits
    uint8_t window
    uint16_t latch
    uint8_t cause

cdef int xid_write(uint8_t* out, uint16_t epoch, uint32_t table) noexcept nogil
cdef bint xid_read(const uint8_t* information, int length, XidAnswer* answer) noexcept nogil
cdef Refused xid_judge(const XidAnswer* answer, uint32_t table) noexcept nogil
