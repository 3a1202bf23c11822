# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Every index below is held against a length first; Cython's own checks would only say it again.
"""Owns frames on the wire: RFC 1662 transparency and FCS-32 (PROTOCOL.md, section 1); knows no address, no time."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy, memset

__all__ = ["Decoder", "encode", "fcs"]

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    /* Eight octets at once: an octet of `flag` or `escape` is zero where the word holds 7E or 7D. */
    static inline int holds_reserved(const uint8_t *octets) {
        uint64_t word, flag, escape;
        memcpy(&word, octets, 8);
        flag = word ^ 0x7E7E7E7E7E7E7E7EULL;
        escape = word ^ 0x7D7D7D7D7D7D7D7DULL;
        return ((((flag - 0x0101010101010101ULL) & ~flag) | ((escape - 0x0101010101010101ULL) & ~escape))
                & 0x8080808080808080ULL) != 0;
    }

    /* RFC 1662 numbers octets as they come; a compiler for a little-endian machine makes one load of this. */
    static inline uint32_t little_endian_32(const uint8_t *octets) {
        return (uint32_t)octets[0] | (uint32_t)octets[1] << 8 | (uint32_t)octets[2] << 16 | (uint32_t)octets[3] << 24;
    }
    """
    bint holds_reserved(const uint8_t*) noexcept nogil
    uint32_t little_endian_32(const uint8_t*) noexcept nogil

cdef enum:
    FLAG = 0x7E
    ESCAPE = 0x7D
    FLIP = 0x20


cdef uint32_t POLYNOMIAL = 0xEDB88320U     # 04C11DB7 with its bits reversed
cdef uint32_t GOOD_REGISTER = 0xDEBB20E3U
cdef uint32_t[8][256] TABLE     # slicing by eight: TABLE[k][x] is octet x followed by k zero octets



cdef void _fill_table() noexcept nogil:
    cdef uint32_t register
    cdef int octet, slice_
    for octet in range(256):
        register = <uint32_t>octet
        for slice_ in range(8):
            register = (register >> 1) ^ (POLYNOMIAL if register & 1 else 0)
        TABLE[0][octet] = register
    for octet in range(256):
        for slice_ in range(1, 8):
            register = TABLE[slice_ - 1][octet]
            TABLE[slice_][octet] = (register >> 8) ^ TABLE[0][register & 0xFF]


_fill_table()


cdef inline uint32_t _register(const uint8_t* octets, int length) noexcept nogil:
    """The FCS register after `length` octets, before it is complemented."""
    cdef uint32_t low, high, register = 0xFFFFFFFFU
    while length >= 8:
        low = register ^ little_endian_32(octets)
        high = little_endian_32(octets + 4)
        register = (
            TABLE[7][low & 0xFF] ^ TABLE[6][(low >> 8) & 0xFF]
            ^ TABLE[5][(low >> 16) & 0xFF] ^ TABLE[4][low >> 24]
            ^ TABLE[3][high & 0xFF] ^ TABLE[2][(high >> 8) & 0xFF]
            ^ TABLE[1][(high >> 16) & 0xFF] ^ TABLE[0][high >> 24]
        )
        octets += 8
        length -= 8
    while length > 0:
        register = (register >> 8) ^ TABLE[0][(register ^ octets[0]) & 0xFF]
        octets += 1
        length -= 1
    return register


cdef uint32_t fcs32(const uint8_t* octets, int length) noexcept nogil:
    """The FCS-32 of RFC 1662 C.3."""
    return _register(octets, length) ^ 0xFFFFFFFFU


cdef inline int _escaped(const uint8_t* octets, int length, uint8_t* out) noexcept nogil:
    """Writes `length` octets with transparency to `out`, with room for twice as many; how many it wrote."""
    cdef int read = 0, written = 0
    while read < length:
        if length - read >= 8 and not holds_reserved(octets + read):
            memcpy(out + written, octets + read, 8)
            read += 8
            written += 8
            continue
        if octets[read] == FLAG or octets[read] == ESCAPE:
            out[written] = ESCAPE
            out[written + 1] = octets[read] ^ FLIP
            written += 1
        else:
            out[written] = octets[read]
        written += 1
        read += 1
    return written


cdef int frame_encode(const uint8_t* content, int length, uint8_t* out) noexcept nogil:
    """Frames 2..131 octets of content into `out` (272 octets of room); the octets written, 0 for another length."""
    cdef uint8_t check[FCS_OCTETS]
    cdef uint32_t sum_
    cdef int written = 1
    if length < FRAME_OCTETS_MIN - FCS_OCTETS or length > CONTENT_OCTETS_MAX:
        return 0
    sum_ = fcs32(content, length)
    check[0] = sum_ & 0xFF
    check[1] = (sum_ >> 8) & 0xFF
    check[2] = (sum_ >> 16) & 0xFF
    check[3] = sum_ >> 24
    out[0] = FLAG
    written += _escaped(content, length, out + written)
    written += _escaped(check, FCS_OCTETS, out + written)
    out[written] = FLAG
    return written + 1


cdef inline void _forget(Unframer* state) noexcept nogil:
    state.length = 0
    state.escaped = False
    state.skipping = False


cdef inline bint _append(Unframer* state, const uint8_t* octets, Py_ssize_t length) noexcept nogil:
    """Adds octets that are as they were sent; False when the frame has become a giant."""
    if length > FRAME_OCTETS_MAX - state.length:
        state.giants += 1
        state.skipping = True
        return False
    memcpy(state.octets + state.length, octets, length)
    state.length += <int>length
    return True


cdef void _collect(Unframer* state, const uint8_t* octets, Py_ssize_t length) noexcept nogil:
    """Adds octets that hold no flag, undoing transparency."""
    cdef const uint8_t* escape
    cdef uint8_t octet
    cdef Py_ssize_t run
    while length > 0:
        if state.escaped:
            octet = octets[0] ^ FLIP
            state.escaped = False
            if not _append(state, &octet, 1):
                return
            octets += 1
            length -= 1
            continue
        escape = <const uint8_t*>memchr(octets, ESCAPE, length)
        run = length if escape == NULL else escape - octets
        if not _append(state, octets, run):
            return
        if escape == NULL:
            return
        state.escaped = True
        octets += run + 1
        length -= run + 1


cdef inline bint _is_good(Unframer* state, const uint8_t* octets, Py_ssize_t length) noexcept nogil:
    """Judges what stood between two flags, and counts it; nothing at all is no error."""
    if length == 0:
        return False
    if length < FRAME_OCTETS_MIN:
        state.runts += 1
    elif length > FRAME_OCTETS_MAX:
        state.giants += 1
    elif _register(octets, <int>length) != GOOD_REGISTER:
        state.damaged += 1
    else:
        state.frames += 1
        return True
    return False


cdef inline const uint8_t* _at_flag(Unframer* state, int* content_length) noexcept nogil:
    """Ends the collected frame: its octets when it is good, else NULL."""
    cdef const uint8_t* frame = NULL
    if state.skipping:
        pass  # counted when it grew too long
    elif state.escaped:
        state.aborted += 1
    elif _is_good(state, state.octets, state.length):
        content_length[0] = state.length - FCS_OCTETS
        frame = state.octets
    _forget(state)
    return frame


cdef const uint8_t* frame_next(
    Unframer* state, const uint8_t* octets, Py_ssize_t length, Py_ssize_t* used, int* content_length
) noexcept nogil:
    """The next good frame, without its FCS, valid until the next call; NULL when all `length` octets are used up.

    `used` says how many octets were taken. A frame that lies whole and unescaped in `octets` is not copied.
    """
    cdef Py_ssize_t at = 0, run
    cdef const uint8_t* flag
    cdef const uint8_t* frame
    while at < length:
        flag = <const uint8_t*>memchr(octets + at, FLAG, length - at)
        run = length - at if flag == NULL else flag - (octets + at)
        if flag != NULL and state.length == 0 and not state.escaped and not state.skipping:
            if memchr(octets + at, ESCAPE, run) == NULL:
                frame = octets + at
                at += run + 1
                if _is_good(state, frame, run):
                    used[0] = at
                    content_length[0] = <int>run - FCS_OCTETS
                    return frame
                continue
        if not state.skipping:
            _collect(state, octets + at, run)
        at += run
        if flag != NULL:
            at += 1
            frame = _at_flag(state, content_length)
            if frame != NULL:
                used[0] = at
                return frame
    used[0] = length
    return NULL


def fcs(bytes octets not None) -> int:
    """The FCS-32 of RFC 1662 C.3 over `octets`."""
    if len(octets) > 0x7FFFFFFF:
        raise ValueError(f"{len(octets)} octets: expected at most 2^31-1")
    return fcs32(octets, <int>len(octets))


def encode(bytes content not None) -> bytes:
    """Address, control and information (2..131 octets) as they go to the line: flags, transparency, FCS."""
    cdef uint8_t out[ENCODED_OCTETS_MAX]
    cdef Py_ssize_t length = len(content)
    if length < FRAME_OCTETS_MIN - FCS_OCTETS or length > CONTENT_OCTETS_MAX:
        raise ValueError(f"{length} octets of content: expected 2..{CONTENT_OCTETS_MAX}")
    return out[:frame_encode(content, <int>length, out)]


cdef class Decoder:
    """Takes octets of a line in any portions and gives the good frames among them."""

    cdef Unframer state

    def __cinit__(self):
        memset(&self.state, 0, sizeof(Unframer))

    def feed(self, bytes octets not None) -> list:
        """The content (address, control, information) of each frame completed by these octets."""
        cdef const uint8_t* at = octets
        cdef const uint8_t* frame
        cdef Py_ssize_t left = len(octets), used = 0
        cdef int length = 0
        cdef list frames = []
        while True:
            frame = frame_next(&self.state, at, left, &used, &length)
            if frame == NULL:
                return frames
            frames.append(frame[:length])
            at += used
            left -= used

    @property
    def frames(self) -> int:
        """Good frames."""
        return self.state.frames

    @property
    def runts(self) -> int:
        """Frames of fewer than 6 octets."""
        return self.state.runts

    @property
    def giants(self) -> int:
        """Frames of more than 135 octets."""
        return self.state.giants

    @property
    def damaged(self) -> int:
        """Frames with a wrong FCS."""
        return self.state.damaged

    @property
    def aborted(self) -> int:
        """Frames taken back by their sender."""
        return self.state.aborted
