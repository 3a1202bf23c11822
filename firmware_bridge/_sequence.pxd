# Lane 1: sequenced delivery, go back N (PROTOCOL.md, section 5). Knows frames without flags and FCS, and no line.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

from firmware_bridge._queues cimport Command, CommandRing, EventRing
from firmware_bridge._timer cimport Timer

cdef enum:
    WINDOW_MAX = 8

cdef enum Verdict:
    TAKEN                       # nothing more to do
    DELIVER                     # an I frame in order: its information is for the core
    NOT_OURS                    # not a frame this lane may carry
    BROKEN                      # N(R) outside V(A)..V(S)

cdef struct Sequence:
    Timer timer
    uint8_t acknowledged        # V(A)
    uint8_t sent                # V(S)
    uint8_t again               # the next N(S) to go to the line: V(S), or less when frames are sent again
    uint8_t received            # V(R)
    uint8_t window              # 1..8
    bint peer_busy              # RNR came
    bint busy                   # we said RNR
    bint rejected               # REJ was sent, and the awaited frame has not come
    bint reject_due
    bint answer_due             # RR or RNR is owed
    bint final_due              # with F=1, because the vehicle polled
    bint poll_due
    bint poll_answered          # a response with F=1 came
    Command window_places[WINDOW_MAX]
    uint64_t commands_sent
    uint64_t commands_repeated
    uint64_t repetitions_received
    uint64_t rejects_sent
    uint64_t rejects_received
    uint64_t expiries

cdef void sequence_reset(Sequence* lane, int window) noexcept nogil
cdef Verdict sequence_received(
    Sequence* lane, const uint8_t* frame, int length, bint room, int64_t now_us
) noexcept nogil
cdef int sequence_next(Sequence* lane, CommandRing* commands, bint room, int64_t now_us, uint8_t* out) noexcept nogil
cdef bint sequence_expired(Sequence* lane, int64_t now_us) noexcept nogil
cdef bint sequence_has_something(Sequence* lane, CommandRing* commands, bint room) noexcept nogil
cdef void sequence_poll(Sequence* lane) noexcept nogil
