# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# The lengths of what is received are checked per message; what is sent has at most 9 octets.
"""Owns lane 30: stop, heartbeat and release (PROTOCOL.md, section 7); knows no link, no line and no command."""

from libc.stdint cimport int64_t, uint8_t, uint16_t

__all__ = []

cdef enum:
    ADDRESS = 0x7B              # lane 30, our commands
    UI = 0x03
    HEARTBEAT = 0xE0
    STOP = 0xE1
    STOP_ACK = 0xE2
    RESET = 0xE3
    RESET_ACK = 0xE4
    CAUSE_RELEASED = 0
    CAUSE_STOP = 2
    STOP_INTERVAL_US = 20_000
    HEARTBEAT_INTERVAL_US = 50_000
    RELEASE_INTERVAL_US = 50_000
    RELEASES_MAX = 10
    LEASE_MS = 250
    STALL_MS = 150              # a core this late is near to stopping its vehicles


cdef void safety_stop(Safety* lane, uint16_t number, uint8_t reason, int64_t now_us) noexcept nogil:
    """Stop from now on, until it is acknowledged; a release under way is forgotten."""
    lane.stop = number
    lane.stop_reason = reason
    lane.stop_open = lane.stop_fresh = True
    lane.stop_at_us = now_us
    lane.release = 0


cdef void safety_release(Safety* lane, uint16_t latch, int64_t now_us) noexcept nogil:
    """Ask for the release of this latch, unless a stop is unanswered. A heartbeat goes first: it needs a lease."""
    if lane.stop_open:
        lane.failed_release = latch
        lane.failed_latch = lane.latch
        return
    lane.release = latch
    lane.releases_left = RELEASES_MAX
    lane.heartbeat_at_us = now_us
    lane.release_at_us = now_us


cdef void safety_give_up_release(Safety* lane) noexcept nogil:
    """A release under way has failed: nobody answered."""
    if lane.release:
        lane.failed_release = lane.release
        lane.failed_latch = 0
        lane.release = 0


cdef void safety_latch(Safety* lane, uint16_t latch, uint8_t cause) noexcept nogil:
    """The vehicle says how its latch is."""
    lane.known = True
    lane.latch = latch
    lane.cause = cause


cdef inline uint16_t _number(const uint8_t* octets) noexcept nogil:
    return <uint16_t>(octets[0] | octets[1] << 8)


cdef void _stop_acknowledged(Safety* lane, uint16_t number, uint16_t latch) noexcept nogil:
    if number != lane.stop or not lane.stop_open:
        return
    lane.stop_open = lane.stop_fresh = False
    lane.stop_acknowledged = number
    lane.stop_latch = latch
    if not lane.known or lane.latch != latch or lane.cause == CAUSE_RELEASED:
        safety_latch(lane, latch, CAUSE_STOP)  # the next heartbeat tells, should it have another cause


cdef void _release_answered(Safety* lane, uint16_t latch, uint8_t cause) noexcept nogil:
    safety_latch(lane, latch, cause)
    if lane.release and cause != CAUSE_RELEASED:
        lane.failed_release = lane.release
        lane.failed_latch = latch
    lane.release = 0


cdef bint safety_received(Safety* lane, const uint8_t* information, int length) noexcept nogil:
    """Takes a message of lane 30; False for one that this side does not know."""
    if length >= 8 and information[0] == HEARTBEAT:
        lane.heartbeats_received += 1
        safety_latch(lane, _number(information + 5), information[7])
    elif length >= 5 and information[0] == STOP_ACK:
        _stop_acknowledged(lane, _number(information + 1), _number(information + 3))
    elif length >= 4 and information[0] == RESET_ACK:
        _release_answered(lane, _number(information + 1), information[3])
    else:
        return False
    return True


cdef inline int _message(uint8_t* out, uint8_t code, uint16_t number, int length) noexcept nogil:
    out[0] = ADDRESS
    out[1] = UI
    out[2] = code
    out[3] = number & 0xFF
    out[4] = number >> 8
    return length


cdef int _stop(Safety* lane, int64_t now_us, uint8_t* out) noexcept nogil:
    lane.stop_fresh = False
    lane.stop_at_us = now_us + STOP_INTERVAL_US
    lane.stops_sent += 1
    out[5] = lane.stop_reason
    return _message(out, STOP, lane.stop, 6)


cdef int _heartbeat(Safety* lane, int64_t now_us, uint8_t* out) noexcept nogil:
    """The heartbeat with what is left of the lease, its age rounded up; 0 when nothing is left."""
    cdef int64_t age_ms = (now_us - lane.token_us + 999) // 1000
    cdef uint16_t lease_ms
    lane.heartbeat_at_us = now_us + HEARTBEAT_INTERVAL_US
    if lane.token_us != 0 and age_ms > STALL_MS and not lane.stalled:
        lane.token_stalls += 1
    lane.stalled = age_ms > STALL_MS
    if lane.token_us == 0 or age_ms >= LEASE_MS:
        lane.heartbeats_withheld += 1
        return 0
    lease_ms = <uint16_t>(LEASE_MS - max(age_ms, 0))
    lane.counter += 1
    lane.heartbeats_sent += 1
    out[5] = lease_ms & 0xFF
    out[6] = lease_ms >> 8
    out[7] = out[8] = out[9] = 0
    return _message(out, HEARTBEAT, lane.counter, 10)


cdef int _release(Safety* lane, int64_t now_us, uint8_t* out) noexcept nogil:
    if lane.releases_left <= 0:
        safety_give_up_release(lane)
        return 0
    lane.releases_left -= 1
    lane.release_at_us = now_us + RELEASE_INTERVAL_US
    return _message(out, RESET, lane.release, 5)


cdef int safety_next(Safety* lane, int64_t now_us, uint8_t* out) noexcept nogil:
    """The frame of lane 30 that is due, 0 for none: stop before heartbeat before release."""
    cdef int length = 0
    if lane.stop_open and now_us >= lane.stop_at_us:
        return _stop(lane, now_us, out)
    if now_us >= lane.heartbeat_at_us:
        length = _heartbeat(lane, now_us, out)
    if length == 0 and lane.release and now_us >= lane.release_at_us:
        length = _release(lane, now_us, out)
    return length


cdef int64_t safety_deadline(Safety* lane) noexcept nogil:
    """When safety_next has something to do next."""
    cdef int64_t at_us = lane.heartbeat_at_us
    if lane.stop_open:
        at_us = min(at_us, lane.stop_at_us)
    if lane.release:
        at_us = min(at_us, lane.release_at_us)
    return at_us
