# Frames on the wire: RFC 1662 transparency and FCS-32. Knows octets only, no addresses, no time.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    FCS_OCTETS = 4
    FRAME_OCTETS_MIN = 6        # address, control, FCS
    FRAME_OCTETS_MAX = 135      # address, two of control, 128 of information, FCS
    CONTENT_OCTETS_MAX = 131    # the same without its FCS
    ENCODED_OCTETS_MAX = 272    # the same on the line when every octet is escaped, with both flags

cdef struct Unframer:
    uint64_t frames             # good ones
    uint64_t runts
    uint64_t giants
    uint64_t damaged
    uint64_t aborted
    int length                  # octets of the frame so far, without transparency
    bint escaped                # the last octet was 7D
    bint skipping               # inside a giant: everything up to the next flag is dropped
    uint8_t octets[FRAME_OCTETS_MAX]

cdef uint32_t fcs32(const uint8_t* octets, int length) noexcept nogil
cdef int frame_encode(const uint8_t* content, int length, uint8_t* out) noexcept nogil
cdef const uint8_t* frame_next(
    Unframer* state, const uint8_t* octets, Py_ssize_t length, Py_ssize_t* used, int* content_length
) noexcept nogil
