# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Groups and parameters are held against what is left of the information before they are read.
"""Owns XID information as octets (PROTOCOL.md, section 4): writes the bridge's, reads the vehicle's."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset

__all__ = []

cdef enum:
    FORMAT = 0x82
    GROUP_LINK = 0x80
    GROUP_OURS = 0xF0
    RECEIVE_BITS = 0x06
    RECEIVE_WINDOW = 0x08
    PARAMETER_SET = 0x00
    PROTOCOL = 0x01
    TABLE = 0x02
    EPOCH = 0x03
    BOOT_COUNT = 0x13
    LAST_COMMAND = 0x15
    LATCH = 0x16
    INFORMATION_BITS = 1024
    INFORMATION_BITS_MIN = 256  # 32 octets: our longest command has 25
    WINDOW = 8
    SEEN_PROTOCOL = 1
    SEEN_TABLE = 2
    SEEN_LATCH = 4
    SEEN_BOOT = 8
    SEEN_LAST = 16
    SEEN_ALL = 31


cdef inline int _parameter(uint8_t* out, int at, uint8_t name, uint32_t value, int length) noexcept nogil:
    """Writes one parameter of up to 4 octets, most significant first; the place behind it."""
    cdef int octet
    out[at] = name
    out[at + 1] = <uint8_t>length
    for octet in range(length):
        out[at + 2 + octet] = (value >> (8 * (length - 1 - octet))) & 0xFF
    return at + 2 + length


cdef inline int _group(uint8_t* out, int at, uint8_t name, int length) noexcept nogil:
    out[at] = name
    out[at + 1] = 0
    out[at + 2] = <uint8_t>length
    return at + 3


cdef int xid_write(uint8_t* out, uint16_t epoch, uint32_t table) noexcept nogil:
    """The bridge's information into 33 octets of room; its length."""
    cdef int at
    out[0] = FORMAT
    at = _group(out, 1, GROUP_LINK, 7)
    at = _parameter(out, at, RECEIVE_BITS, INFORMATION_BITS, 2)
    at = _parameter(out, at, RECEIVE_WINDOW, WINDOW, 1)
    at = _group(out, at, GROUP_OURS, 19)
    at = _parameter(out, at, PARAMETER_SET, (<uint32_t>b'S' << 16) | (<uint32_t>b'F' << 8) | <uint32_t>b'1', 3)
    at = _parameter(out, at, PROTOCOL, (PROTOCOL_MAJOR << 8) | PROTOCOL_MINOR, 2)
    at = _parameter(out, at, TABLE, table, 4)
    return _parameter(out, at, EPOCH, epoch, 2)


cdef uint32_t _value(const uint8_t* octets, int length) noexcept nogil:
    cdef uint32_t value = 0
    cdef int at
    for at in range(min(length, 4)):
        value = (value << 8) | octets[at]
    return value


cdef int _take_ours(XidAnswer* answer, uint8_t name, const uint8_t* octets, int length) noexcept nogil:
    """Takes a parameter of group F0; which one it was."""
    cdef uint32_t value = _value(octets, length)
    if name == PROTOCOL and length == 2:
        answer.major = <uint8_t>(value >> 8)
        return SEEN_PROTOCOL
    if name == TABLE and length == 4:
        answer.table = value
        return SEEN_TABLE
    if name == LATCH and length == 3:
        answer.latch = <uint16_t>(value >> 8)
        answer.cause = value & 0xFF
        return SEEN_LATCH
    if name == BOOT_COUNT and length == 4:
        return SEEN_BOOT
    if name == LAST_COMMAND and length == 4:
        return SEEN_LAST
    return 0


cdef void _take_link(XidAnswer* answer, uint8_t name, const uint8_t* octets, int length) noexcept nogil:
    if name == RECEIVE_BITS:
        answer.information_bits = _value(octets, length)
    elif name == RECEIVE_WINDOW and length == 1:
        answer.window = octets[0]


cdef int _read_group(XidAnswer* answer, uint8_t group, const uint8_t* octets, int length) noexcept nogil:
    """Which of our parameters a group holds; -1 when its lengths do not add up."""
    cdef int at = 0, size, seen = 0
    while at < length:
        if length - at < 2:
            return -1
        size = octets[at + 1]
        if size > length - at - 2:
            return -1
        if group == GROUP_LINK:
            _take_link(answer, octets[at], octets + at + 2, size)
        elif group == GROUP_OURS:
            seen |= _take_ours(answer, octets[at], octets + at + 2, size)
        at += 2 + size
    return seen


cdef bint _is_our_set(const uint8_t* octets, int length) noexcept nogil:
    """Group F0 is anybody's: ours begins with the parameter set SF1."""
    return length >= 5 and octets[0] == PARAMETER_SET and octets[1] == 3 and (
        octets[2] == b'S' and octets[3] == b'F' and octets[4] == b'1')


cdef bint xid_read(const uint8_t* information, int length, XidAnswer* answer) noexcept nogil:
    """Reads the vehicle's information; False when it is malformed or lacks what a vehicle must say.

    Our own command, echoed, lacks boot count, last command and latch.
    """
    cdef int at = 1, size, seen, seen_all = 0
    memset(answer, 0, sizeof(XidAnswer))
    answer.information_bits = INFORMATION_BITS
    answer.window = 1
    if length < 1 or information[0] != FORMAT:
        return False
    while at < length:
        if length - at < 3:
            return False
        size = information[at + 1] << 8 | information[at + 2]
        if size > length - at - 3:
            return False
        if information[at] != GROUP_OURS or _is_our_set(information + at + 3, size):
            seen = _read_group(answer, information[at], information + at + 3, size)
            if seen < 0:
                return False
            seen_all |= seen
        at += 3 + size
    return _is_enough(answer, seen_all)


cdef bint _is_enough(const XidAnswer* answer, int seen) noexcept nogil:
    """Another major or table may say less: it is refused for what it did say."""
    if seen & (SEEN_PROTOCOL | SEEN_TABLE) != SEEN_PROTOCOL | SEEN_TABLE:
        return False
    return seen == SEEN_ALL or answer.major != PROTOCOL_MAJOR


cdef Refused xid_judge(const XidAnswer* answer, uint32_t table) noexcept nogil:
    """Whether commands may be sent to a vehicle that says this."""
    if answer.major != PROTOCOL_MAJOR:
        return OTHER_MAJOR
    if answer.table != table:
        return OTHER_TABLE
    if answer.information_bits < INFORMATION_BITS_MIN:
        return TOO_SMALL
    return SUITS
