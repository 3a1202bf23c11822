# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# N(S) is masked to seven bits and places to three before each use; frame lengths are checked where they are read.
"""Owns lane 1: sequenced delivery, go back N (PROTOCOL.md, section 5); knows no line, no lane 0 and no stop."""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from libc.string cimport memcpy

from firmware_bridge._queues cimport Command, CommandRing, command_drop, command_first
from firmware_bridge._timer cimport EXPIRIES_MAX, timer_back_off, timer_measured, timer_reset, timer_start

__all__ = []

cdef enum:
    MODULUS = 0x7F              # as a mask
    COMMAND_OUT = 0x07          # lane 1, C/R 1: our commands, the vehicle's responses
    COMMAND_IN = 0x05           # lane 1, C/R 0: the vehicle's commands, our responses
    RR = 0x01
    RNR = 0x05
    REJ = 0x09
    HEADER_OCTETS = 12          # address, control 2, type 1, id 4, epoch 2, ttl_ms 2
    TTL_UNLIMITED = 65535


cdef void sequence_reset(Sequence* lane, int window) noexcept nogil:
    """V(S) = V(R) = V(A) = 0, as after SABME; counters go on."""
    lane.acknowledged = lane.sent = lane.again = lane.received = 0
    lane.window = <uint8_t>min(max(window, 1), WINDOW_MAX)
    lane.peer_busy = lane.busy = lane.rejected = lane.reject_due = False
    lane.answer_due = lane.final_due = lane.poll_due = lane.poll_answered = False
    timer_reset(&lane.timer)


cdef inline uint8_t _distance(uint8_t first, uint8_t last) noexcept nogil:
    return (last - first) & MODULUS


cdef void _send_again(Sequence* lane) noexcept nogil:
    """Everything from V(A) on goes out again; what was on its way is not measured (Karn)."""
    lane.again = lane.acknowledged
    lane.timer.sampled_us = 0


cdef void _acknowledged(Sequence* lane, uint8_t upto, int64_t now_us) noexcept nogil:
    """N(R) moved V(A): measure, and run the timer for what is still out."""
    if lane.timer.sampled_us and _distance(lane.acknowledged, lane.timer.sampled) < _distance(lane.acknowledged, upto):
        timer_measured(&lane.timer, now_us - lane.timer.sampled_us)
        lane.timer.sampled_us = 0
    if _distance(lane.acknowledged, lane.again) < _distance(lane.acknowledged, upto):
        lane.again = upto
    lane.acknowledged = upto
    lane.timer.expiries = 0
    if upto == lane.sent and not lane.peer_busy:
        lane.timer.expires_us = 0
    else:
        timer_start(&lane.timer, now_us)


cdef bint _take_number(Sequence* lane, uint8_t number, int64_t now_us) noexcept nogil:
    """Takes an N(R); False when it lies outside V(A)..V(S)."""
    if _distance(lane.acknowledged, number) > _distance(lane.acknowledged, lane.sent):
        return False
    if number != lane.acknowledged:
        _acknowledged(lane, number, now_us)
    return True


cdef Verdict _information(Sequence* lane, const uint8_t* frame, bint room, int64_t now_us) noexcept nogil:
    cdef uint8_t number = frame[1] >> 1
    if not _take_number(lane, frame[2] >> 1, now_us):
        return BROKEN
    if frame[2] & 1:
        lane.final_due = True
    if number == lane.received:
        lane.answer_due = True
        if not room:
            return TAKEN  # RNR says that it was not received
        lane.received = (number + 1) & MODULUS
        lane.rejected = lane.reject_due = False
        return DELIVER
    if _distance(number, lane.received) <= WINDOW_MAX:
        lane.repetitions_received += 1
        lane.answer_due = True
    elif not lane.rejected:
        lane.rejected = lane.reject_due = True
    return TAKEN


cdef Verdict _supervisory(Sequence* lane, const uint8_t* frame, int64_t now_us) noexcept nogil:
    cdef bint command = frame[0] == COMMAND_IN
    cdef bint polls = frame[2] & 1
    if command and not polls:
        return NOT_OURS  # our own response, heard back
    if not _take_number(lane, frame[2] >> 1, now_us):
        return BROKEN
    if command:
        lane.final_due = True
    elif polls:
        lane.poll_answered = True
    if frame[1] == RNR:
        if not lane.peer_busy:
            timer_start(&lane.timer, now_us)
        lane.peer_busy = True
        return TAKEN
    if lane.peer_busy or frame[1] == REJ:
        _send_again(lane)
        lane.timer.expires_us = 0
        if lane.acknowledged != lane.sent:
            timer_start(&lane.timer, now_us)
    lane.peer_busy = False
    lane.rejects_received += frame[1] == REJ
    return TAKEN


cdef Verdict sequence_received(Sequence* lane, const uint8_t* frame, int length, bint room,
                               int64_t now_us) noexcept nogil:
    """Takes a frame of lane 1: `length` octets from the address on, `room` for one more event."""
    if length < 3:
        return NOT_OURS
    if not frame[1] & 1:
        return _information(lane, frame, room, now_us) if frame[0] == COMMAND_IN and length > 3 else NOT_OURS
    if length != 3 or (frame[1] != RR and frame[1] != RNR and frame[1] != REJ):
        return NOT_OURS
    return _supervisory(lane, frame, now_us)


cdef int _supervise(Sequence* lane, uint8_t address, uint8_t control, bint poll_or_final, uint8_t* out) noexcept nogil:
    out[0] = address
    out[1] = control
    out[2] = <uint8_t>(lane.received << 1) | poll_or_final
    return 3


cdef int _answer(Sequence* lane, bint room, uint8_t* out) noexcept nogil:
    cdef bint final = lane.final_due
    lane.answer_due = lane.final_due = False
    lane.busy = not room
    return _supervise(lane, COMMAND_IN, RR if room else RNR, final, out)


cdef int _write_command(Sequence* lane, uint8_t number, int64_t now_us, uint8_t* out) noexcept nogil:
    """The I frame with this N(S); what is left of its time to live is written anew each time."""
    cdef Command* command = &lane.window_places[number & (WINDOW_MAX - 1)]
    cdef int64_t left_ms = TTL_UNLIMITED
    if command.until_us != INT64_MAX:
        left_ms = min(max((command.until_us - now_us) // 1000, 0), TTL_UNLIMITED - 1)
    out[0] = COMMAND_OUT
    out[1] = <uint8_t>(number << 1)
    out[2] = <uint8_t>(lane.received << 1)
    out[3] = command.code
    out[4] = command.id & 0xFF
    out[5] = (command.id >> 8) & 0xFF
    out[6] = (command.id >> 16) & 0xFF
    out[7] = command.id >> 24
    out[8] = command.epoch & 0xFF
    out[9] = command.epoch >> 8
    out[10] = left_ms & 0xFF
    out[11] = <uint8_t>(left_ms >> 8)
    memcpy(out + HEADER_OCTETS, command.body, min(command.length, <uint8_t>sizeof(command.body)))
    lane.answer_due = False
    return HEADER_OCTETS + command.length


cdef bint _may_take(Sequence* lane) noexcept nogil:
    return _distance(lane.acknowledged, lane.sent) < lane.window


cdef int _next_command(Sequence* lane, CommandRing* commands, int64_t now_us, uint8_t* out) noexcept nogil:
    """An I frame that is due again, or the next command if the window is open."""
    cdef uint8_t number = lane.again
    cdef Command* command
    if number == lane.sent:
        command = command_first(commands)
        if command == NULL or not _may_take(lane):
            return 0
        lane.window_places[number & (WINDOW_MAX - 1)] = command[0]
        command_drop(commands)
        lane.sent = (number + 1) & MODULUS
        lane.commands_sent += 1
        if lane.timer.sampled_us == 0:
            lane.timer.sampled = number
            lane.timer.sampled_us = now_us
    else:
        lane.commands_repeated += 1
    lane.again = (number + 1) & MODULUS
    if lane.timer.expires_us == 0:
        timer_start(&lane.timer, now_us)
    return _write_command(lane, number, now_us, out)


cdef int sequence_next(Sequence* lane, CommandRing* commands, bint room, int64_t now_us, uint8_t* out) noexcept nogil:
    """The next frame (at most 131 octets) to send now, 0 for none. Expired commands must be off the ring's head."""
    cdef int length = 0
    if lane.reject_due and room:
        lane.reject_due = lane.answer_due = False
        lane.rejects_sent += 1
        return _supervise(lane, COMMAND_IN, REJ, False, out)
    if lane.final_due or (lane.answer_due and not room) or (lane.busy and room):
        return _answer(lane, room, out)
    if lane.poll_due:
        lane.poll_due = False
        return _supervise(lane, COMMAND_OUT, RR if room else RNR, True, out)
    if not lane.peer_busy:
        length = _next_command(lane, commands, now_us, out)
    if length == 0 and lane.answer_due:
        length = _answer(lane, room, out)
    return length


cdef bint sequence_has_something(Sequence* lane, CommandRing* commands, bint room) noexcept nogil:
    """Whether sequence_next has a frame to send."""
    if (lane.reject_due and room) or lane.final_due or lane.answer_due or lane.poll_due or (lane.busy and room):
        return True
    if lane.peer_busy:
        return False
    return lane.again != lane.sent or (_may_take(lane) and command_first(commands) != NULL)


cdef bint sequence_expired(Sequence* lane, int64_t now_us) noexcept nogil:
    """Runs the timer; True when it expired for the fifth time in a row."""
    if lane.timer.expires_us == 0 or now_us < lane.timer.expires_us:
        return False
    if lane.peer_busy:
        lane.poll_due = True
        timer_start(&lane.timer, now_us)
        return False
    lane.expiries += 1
    timer_back_off(&lane.timer)
    if lane.timer.expiries >= EXPIRIES_MAX:
        return True
    _send_again(lane)
    timer_start(&lane.timer, now_us)
    return False


cdef void sequence_poll(Sequence* lane) noexcept nogil:
    """Ask for an answer with F=1."""
    lane.poll_due = True
    lane.poll_answered = False
