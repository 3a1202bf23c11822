# Lane 30: stop, heartbeat with the motion lease, release (PROTOCOL.md, section 7). Knows frames, no line and no link.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

cdef struct Safety:
    uint16_t stop               # number of the last stop asked for, 0 for none
    uint8_t stop_reason
    bint stop_open              # not acknowledged yet
    bint stop_fresh             # has not been on the line yet: may take back what is
    int64_t stop_at_us          # when it is sent next
    uint16_t stop_acknowledged
    uint16_t stop_latch
    int64_t token_us            # the core's last sign of life, 0 for none
    bint stalled                # the core was late
    int64_t heartbeat_at_us
    uint16_t counter
    uint16_t release            # the latch to release, 0 for none
    int releases_left
    int64_t release_at_us
    uint16_t failed_release     # one that did not release, 0 for none; `failed_latch` 0: no answer
    uint16_t failed_latch
    bint known                  # the vehicle said how its latch is
    uint16_t latch
    uint8_t cause
    uint64_t heartbeats_sent
    uint64_t heartbeats_withheld
    uint64_t heartbeats_received
    uint64_t token_stalls
    uint64_t stops_sent

cdef void safety_stop(Safety* lane, uint16_t number, uint8_t reason, int64_t now_us) noexcept nogil
cdef void safety_release(Safety* lane, uint16_t latch, int64_t now_us) noexcept nogil
cdef void safety_give_up_release(Safety* lane) noexcept nogil
cdef void safety_latch(Safety* lane, uint16_t latch, uint8_t cause) noexcept nogil
cdef bint safety_received(Safety* lane, const uint8_t* information, int length) noexcept nogil
cdef int safety_next(Safety* lane, int64_t now_us, uint8_t* out) noexcept nogil
cdef int64_t safety_deadline(Safety* lane) noexcept nogil
