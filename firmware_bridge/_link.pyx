# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Frames come from the codec, which bounds them to 131 octets; each branch checks its own length before it reads.
"""Owns the bridge's side of a link (PROTOCOL.md): opening, lanes, pacing, what is told; knows no port and no clock."""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from firmware_bridge._framing cimport CONTENT_OCTETS_MAX, frame_encode, frame_next
from firmware_bridge._queues cimport (
    EVENTS_RESERVED, LATCHED, LINK_DOWN, LINK_REFUSED, LINK_UP, NOT_SENT, NOTICE, RELEASE_FAILED, RELEASED, RESULT,
    STOP_ACKNOWLEDGED, TEXT_OCTETS_MAX, Command, Event, command_drop, command_first, event_begin, event_end,
    events_free, status_put, status_slot_begin, store_32,
)
from firmware_bridge._safety cimport (
    safety_deadline, safety_give_up_release, safety_latch, safety_next, safety_received, safety_release,
)
from firmware_bridge._sequence cimport (
    BROKEN, DELIVER, NOT_OURS, Verdict, sequence_expired, sequence_has_something, sequence_next,
    sequence_poll, sequence_received, sequence_reset,
)
from firmware_bridge._xid cimport SUITS, Refused, XidAnswer, xid_judge, xid_read, xid_write

__all__ = []

cdef enum:
    LINK_COMMAND_OUT = 0x03     # lane 0, C/R 1: our commands, the vehicle's responses
    LINK_COMMAND_IN = 0x01      # lane 0, C/R 0: the vehicle's commands, our responses
    LANE_COMMANDS = 1
    TELEMETRY_IN = 0x09
    SAFETY_IN = 0x79
    FINAL = 0x10                # P/F of a U frame
    SABME = 0x6F
    UA = 0x63
    DISC = 0x43
    DM = 0x0F
    XID = 0xAF
    TEST = 0xE3
    UI = 0x03
    RESULT_CODE = 0x80
    RESULT_OCTETS = 10
    STATUS_CODE = 0xC0
    STATUS_OCTETS = 41
    STATUS_FLAGS_AT = 21
    FLAG_LINK_OPEN = 64
    NOTICE_CODE = 0xC1
    EVENTS_KEPT = 64            # free places that a repeated state leaves to the others
    EPOCH_MAX = 65535
    OPENING_INTERVAL_US = 100_000
    OPENING_TRIES_MAX = 5
    REFUSED_INTERVAL_US = 2_000_000
    SILENCE_US = 500_000        # ten heartbeats
    STATUS_SETTLES_US = 100_000 # a STATUS written before the opening may still come
    ESCAPE = 0x7D
    FLAG = 0x7E


cdef void station_begin(StationState* station, int64_t baud, uint16_t epoch, uint32_t table) noexcept nogil:
    """A station without a port whose first opening has this epoch (1..65535)."""
    memset(station, 0, sizeof(StationState))
    station.epoch = epoch - 1
    station.table = table
    station.octet_ns = <int64_t>1_000_000_000 * 10 // baud
    station.preempts = True
    station.echo_octets = -1
    station.again_us = INT64_MAX
    status_slot_begin(&station.status)
    sequence_reset(&station.sequence, 1)


cdef Event* station_event(StationState* station, uint8_t kind, int64_t now_us, int keep_free) noexcept nogil:
    """A place for an event, to be published by event_end; NULL, and counted, with only `keep_free` places left."""
    cdef Event* event = NULL
    if events_free(&station.events) > keep_free:
        event = event_begin(&station.events)
    if event == NULL:
        station.events_dropped += 1
        return NULL
    event.kind = kind
    event.at_us = now_us
    return event


cdef bint _tell(StationState* station, uint8_t kind, uint8_t small, uint16_t number, uint32_t wide, int64_t now_us,
                int keep_free) noexcept nogil:
    cdef Event* event = station_event(station, kind, now_us, keep_free)
    if event == NULL:
        return False
    event.small = small
    event.number = number
    event.wide = wide
    event_end(&station.events)
    return True


cdef void _tell_octets(StationState* station, uint8_t kind, uint8_t small, uint16_t number, const uint8_t* octets,
                       int length, int64_t now_us, int keep_free) noexcept nogil:
    cdef Event* event = station_event(station, kind, now_us, keep_free)
    if event == NULL:
        return
    event.small = small
    event.number = number
    event.length = <uint8_t>min(max(length, 0), TEXT_OCTETS_MAX)
    memcpy(event.octets, octets, event.length)
    event_end(&station.events)


cdef bint station_has_room(StationState* station) noexcept nogil:
    """Whether events leave room for the results of more commands."""
    return events_free(&station.events) > EVENTS_RESERVED


# -- the opening


cdef void _ask(StationState* station, int64_t now_us) noexcept nogil:
    """A new opening, with the next epoch."""
    station.state = ASKING
    station.epoch = station.epoch % EPOCH_MAX + 1
    station.tries = 0
    station.again_us = now_us


cdef void _close(StationState* station, uint8_t why, int64_t now_us) noexcept nogil:
    """No command is taken from here on."""
    if station.state == OPEN:
        store_32(&station.open_epoch, 0)
        station.links_lost += 1
        _tell(station, LINK_DOWN, why, station.epoch, 0, now_us, 0)
    sequence_reset(&station.sequence, 1)


cdef void _begin_again(StationState* station, uint8_t why, int64_t now_us) noexcept nogil:
    _close(station, why, now_us)
    _ask(station, now_us)


cdef void station_port_opened(StationState* station, int64_t now_us) noexcept nogil:
    """The line is there, and empty."""
    station.unframer.length = 0
    station.unframer.escaped = station.unframer.skipping = False
    station.drained_us = now_us
    station.heard_us = now_us
    station.refused_told = SUITS
    station.safety.heartbeat_at_us = now_us
    station.acknowledge_disc = station.disconnect = False
    station.echo_octets = -1
    _ask(station, now_us)


cdef void station_port_lost(StationState* station, int64_t now_us) noexcept nogil:
    """The line went away; what was not sent is told. A release must not come by itself when the line is back."""
    _close(station, PORT_WENT, now_us)
    station.state = NO_PORT
    station.again_us = INT64_MAX
    safety_give_up_release(&station.safety)
    _tell_safety(station, now_us)
    _drop_stale_commands(station, now_us)


cdef void station_release(StationState* station, uint16_t latch, int64_t now_us) noexcept nogil:
    """A person asks for the release of this latch: now, so without a line it has failed."""
    safety_release(&station.safety, latch, now_us)
    if station.state == NO_PORT:
        safety_give_up_release(&station.safety)


cdef void station_disconnect(StationState* station, int64_t now_us) noexcept nogil:
    """Close the link for good: DISC goes out, nothing is opened again."""
    if station.state == NO_PORT:
        return
    station.disconnect = station.state >= CONFIRMING
    _close(station, CLOSED_BY_US, now_us)
    station.state = ASKING
    station.again_us = INT64_MAX


cdef void _take_identity(StationState* station, const uint8_t* information, int length, int64_t now_us) noexcept nogil:
    cdef Refused refused = xid_judge(&station.vehicle, station.table)
    station.identity_octets = min(length, TEXT_OCTETS_MAX)
    memcpy(station.identity, information, station.identity_octets)
    station.tries = 0
    if refused == SUITS:
        station.refused_told = SUITS
        station.state = SETTING
        station.again_us = now_us
        safety_latch(&station.safety, station.vehicle.latch, station.vehicle.cause)
        return
    station.state = TURNED_AWAY
    station.again_us = now_us + REFUSED_INTERVAL_US
    if refused != station.refused_told:
        _tell_octets(station, LINK_REFUSED, refused, 0, information, length, now_us, EVENTS_KEPT)
    station.refused_told = refused


cdef void _confirm(StationState* station, int64_t now_us) noexcept nogil:
    """UA came. An older SABME may still be under way, so the link is open when a poll behind it was answered."""
    sequence_reset(&station.sequence, station.vehicle.window)
    station.state = CONFIRMING
    station.tries = 0
    station.again_us = now_us


cdef void _open(StationState* station, int64_t now_us) noexcept nogil:
    station.state = OPEN
    station.opened_us = now_us
    station.again_us = INT64_MAX
    station.links_opened += 1
    _tell_octets(station, LINK_UP, 0, station.epoch, station.identity, station.identity_octets, now_us, 0)
    store_32(&station.open_epoch, station.epoch)


# -- what comes in


cdef bint _link_response(StationState* station, uint8_t control, const uint8_t* information, int length,
                         int64_t now_us) noexcept nogil:
    """A response of the vehicle on lane 0; False for none that it may send."""
    cdef XidAnswer answer
    if control == (XID | FINAL):
        if not xid_read(information, length, &answer):
            return False
        if (station.state == ASKING or station.state == TURNED_AWAY) and station.again_us != INT64_MAX:
            station.vehicle = answer
            _take_identity(station, information, length, now_us)
        return True
    if control == (UA | FINAL) and length == 0:
        if station.state == SETTING:
            _confirm(station, now_us)
        return True
    if (control & ~FINAL) == DM and length == 0:
        if station.state >= CONFIRMING:
            _begin_again(station, CLOSED_BY_VEHICLE, now_us)
        return True
    return control == (TEST | FINAL)


cdef bint _link_command(StationState* station, uint8_t control, const uint8_t* information, int length,
                         int64_t now_us) noexcept nogil:
    """A command of the vehicle on lane 0; False for none that it may send."""
    if control == (TEST | FINAL):
        station.echo_octets = length
        memcpy(station.echo, information, length)
        return True
    if control == (DISC | FINAL) and length == 0:
        station.acknowledge_disc = True
        if station.state >= CONFIRMING:
            _begin_again(station, CLOSED_BY_VEHICLE, now_us)
        return True
    return False


cdef bint _telemetry(StationState* station, const uint8_t* message, int length, int64_t now_us) noexcept nogil:
    cdef int flags
    if length >= STATUS_OCTETS and message[0] == STATUS_CODE:
        status_put(&station.status, now_us, message, STATUS_OCTETS)
        flags = message[STATUS_FLAGS_AT]
        if station.state == OPEN and not flags & FLAG_LINK_OPEN and now_us - station.opened_us > STATUS_SETTLES_US:
            _begin_again(station, LOST_STATE, now_us)
        return True
    if length >= 1 and message[0] == NOTICE_CODE:
        _tell_octets(station, NOTICE, 0, 0, message, length, now_us, EVENTS_RESERVED)
        return True
    return False


cdef bint _sequenced(StationState* station, const uint8_t* frame, int length, int64_t now_us) noexcept nogil:
    cdef Verdict verdict
    if station.state < CONFIRMING:
        return True  # of an earlier opening
    if station.state == CONFIRMING and not frame[1] & 1:
        return True  # may be of the opening before: the vehicle keeps it, or the core asks
    verdict = sequence_received(&station.sequence, frame, length, station_has_room(station), now_us)
    if verdict == BROKEN:
        _begin_again(station, BROKE_PROTOCOL, now_us)
    elif verdict == DELIVER:
        if length < 3 + RESULT_OCTETS or frame[3] != RESULT_CODE:
            return False
        station.results_received += 1
        _tell_octets(station, RESULT, 0, 0, frame + 3, RESULT_OCTETS, now_us, 0)
    elif station.state == CONFIRMING and station.sequence.poll_answered:
        _open(station, now_us)
    return verdict != NOT_OURS


cdef bint _dispatch(StationState* station, const uint8_t* frame, int length, int64_t now_us) noexcept nogil:
    """Takes one good frame of 2..131 octets; False for one that this station does not know."""
    cdef uint8_t address = frame[0], control = frame[1]
    if address >> 2 == LANE_COMMANDS and address & 1:
        return _sequenced(station, frame, length, now_us)
    if address == LINK_COMMAND_OUT:
        return _link_response(station, control, frame + 2, length - 2, now_us)
    if address == LINK_COMMAND_IN and length - 2 <= TEXT_OCTETS_MAX:
        return _link_command(station, control, frame + 2, length - 2, now_us)
    if (control & ~FINAL) != UI:
        return False
    if address == SAFETY_IN:
        return safety_received(&station.safety, frame + 2, length - 2)
    return address == TELEMETRY_IN and _telemetry(station, frame + 2, length - 2, now_us)


cdef void station_receive(StationState* station, const uint8_t* octets, Py_ssize_t length,
                          int64_t now_us) noexcept nogil:
    """Takes octets of the line, in any portions."""
    cdef const uint8_t* frame
    cdef Py_ssize_t used = 0
    cdef int frame_octets = 0
    station.octets_received += length
    while True:
        frame = frame_next(&station.unframer, octets, length, &used, &frame_octets)
        if frame == NULL:
            return
        if _dispatch(station, frame, frame_octets, now_us):
            station.heard_us = now_us
        else:
            station.unknown += 1
        octets += used
        length -= used


# -- what is told about lane 30 and about commands that never went out


cdef void _tell_latch(StationState* station, int64_t now_us) noexcept nogil:
    cdef uint8_t cause = station.safety.cause
    if not station.safety.known or events_free(&station.events) <= EVENTS_KEPT:
        return
    if station.latch_told and station.told_latch == station.safety.latch and station.told_cause == cause:
        return
    station.latch_told = True
    station.told_latch = station.safety.latch
    station.told_cause = cause
    _tell(station, RELEASED if cause == 0 else LATCHED, cause, station.told_latch, 0, now_us, 0)


cdef void _tell_safety(StationState* station, int64_t now_us) noexcept nogil:
    """States wait here while nobody reads events, so the last one is never lost."""
    if events_free(&station.events) > EVENTS_KEPT and station.told_stop != station.safety.stop_acknowledged:
        station.told_stop = station.safety.stop_acknowledged
        _tell(station, STOP_ACKNOWLEDGED, 0, station.told_stop, station.safety.stop_latch, now_us, 0)
    if station.safety.failed_release:
        if _tell(station, RELEASE_FAILED, station.safety.cause, station.safety.failed_release,
                 station.safety.failed_latch, now_us, EVENTS_KEPT):
            station.safety.failed_release = 0
    _tell_latch(station, now_us)


cdef void _drop_stale_commands(StationState* station, int64_t now_us) noexcept nogil:
    """Commands of an earlier opening, and late ones, leave the queue's head unsent."""
    cdef Command* command = command_first(&station.commands)
    cdef bint current
    while command != NULL:
        current = station.state == OPEN and command.epoch == station.epoch
        if current and now_us < command.until_us:
            return
        if not _tell(station, NOT_SENT, TIME_TO_LIVE_ENDED if current else LINK_CLOSED, 0, command.id, now_us, 0):
            return
        command_drop(&station.commands)
        command = command_first(&station.commands)


# -- what goes out


cdef inline int _unnumbered(uint8_t* out, uint8_t address, uint8_t control) noexcept nogil:
    out[0] = address
    out[1] = control | FINAL
    return 2


cdef int _opening_frame(StationState* station, int64_t now_us, uint8_t* out) noexcept nogil:
    """What the opening sends when its time has come."""
    if now_us < station.again_us:
        return 0
    station.again_us = now_us + OPENING_INTERVAL_US
    if not station_has_room(station):
        return 0  # nobody reads events: a link would have nobody to tell
    if station.tries >= OPENING_TRIES_MAX and station.state >= SETTING:
        _ask(station, now_us)
    station.tries += 1
    if station.state == SETTING:
        return _unnumbered(out, LINK_COMMAND_OUT, SABME)
    if station.state == CONFIRMING:
        sequence_poll(&station.sequence)
        return 0
    station.again_us = now_us + (REFUSED_INTERVAL_US if station.state == TURNED_AWAY else OPENING_INTERVAL_US)
    return _unnumbered(out, LINK_COMMAND_OUT, XID) + xid_write(out + 2, station.epoch, station.table)


cdef int _link_frame(StationState* station, int64_t now_us, uint8_t* out) noexcept nogil:
    cdef int length
    if station.acknowledge_disc:
        station.acknowledge_disc = False
        return _unnumbered(out, LINK_COMMAND_IN, UA)
    if station.echo_octets >= 0:
        length = _unnumbered(out, LINK_COMMAND_IN, TEST) + station.echo_octets
        memcpy(out + 2, station.echo, station.echo_octets)
        station.echo_octets = -1
        return length
    if station.disconnect:
        station.disconnect = False
        return _unnumbered(out, LINK_COMMAND_OUT, DISC)
    return _opening_frame(station, now_us, out)


cdef int _next_frame(StationState* station, int64_t now_us, uint8_t* out) noexcept nogil:
    cdef int length = 0
    if station.preempts:
        length = safety_next(&station.safety, now_us, out)
    if length == 0:
        length = _link_frame(station, now_us, out)
    if length == 0 and station.state >= CONFIRMING:
        length = sequence_next(&station.sequence, &station.commands, station_has_room(station), now_us, out)
    if length == 0 and not station.preempts:
        length = safety_next(&station.safety, now_us, out)
    return length


cdef void _run_timers(StationState* station, int64_t now_us) noexcept nogil:
    if station.state >= SETTING and now_us - station.heard_us >= SILENCE_US:
        _begin_again(station, SILENT, now_us)
    elif station.state >= CONFIRMING and sequence_expired(&station.sequence, now_us):
        _begin_again(station, NO_ACKNOWLEDGEMENT, now_us)


cdef int station_poll(StationState* station, int64_t now_us, uint8_t* out, bint* flush) noexcept nogil:
    """The octets to write now (into 274 octets of room), 0 for none; `flush`: first empty the line's buffer."""
    cdef uint8_t content[CONTENT_OCTETS_MAX + 1]
    cdef int length, abort = 0
    flush[0] = False
    if station.state != NO_PORT:
        _run_timers(station, now_us)
    _tell_safety(station, now_us)
    _drop_stale_commands(station, now_us)
    if station.state == NO_PORT:
        return 0
    if now_us < station.drained_us:
        if not (station.preempts and station.safety.stop_open and station.safety.stop_fresh):
            return 0
        flush[0] = True
        out[0] = ESCAPE
        out[1] = FLAG
        abort = 2
    length = _next_frame(station, now_us, content)
    if length == 0:
        return 0
    length = abort + frame_encode(content, length, out + abort)
    station.frames_sent += 1
    station.octets_sent += length
    station.drained_us = now_us + (length * station.octet_ns + 999) // 1000
    return length


cdef void station_backlog(StationState* station, int64_t octets, int64_t now_us) noexcept nogil:
    """The line itself says that this much is still to be sent."""
    station.drained_us = max(station.drained_us, now_us + (octets * station.octet_ns + 999) // 1000)


cdef int64_t station_deadline(StationState* station) noexcept nogil:
    """When station_poll has something to do next, if nothing comes in before."""
    cdef int64_t at_us
    cdef Command* command
    if station.state == NO_PORT:
        return INT64_MAX
    if station.preempts and station.safety.stop_open and station.safety.stop_fresh:
        return 0
    at_us = min(safety_deadline(&station.safety), station.again_us)
    if station.acknowledge_disc or station.disconnect or station.echo_octets >= 0:
        at_us = 0
    if station.state >= SETTING:
        at_us = min(at_us, station.heard_us + SILENCE_US)
    if station.state >= CONFIRMING:
        if sequence_has_something(&station.sequence, &station.commands, station_has_room(station)):
            at_us = 0
        if station.sequence.timer.expires_us:
            at_us = min(at_us, station.sequence.timer.expires_us)
    command = command_first(&station.commands)
    if command != NULL and events_free(&station.events) > 0:
        at_us = min(at_us, command.until_us if station.state == OPEN else 0)
    return max(at_us, station.drained_us)
