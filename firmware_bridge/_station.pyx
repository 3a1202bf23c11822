# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Only a command's body is indexed here: its length is checked.
"""Owns the station as Python sees it: for whoever has its own line and clock, and for the line's queues."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from firmware_bridge._link cimport (
    WRITE_OCTETS_MAX, StationState, station_begin, station_deadline, station_disconnect, station_has_room,
    station_poll, station_port_lost, station_port_opened, station_receive, station_release,
)
from firmware_bridge._queues cimport (
    BODY_OCTETS_MAX, Command, Event, command_put, event_drop, event_first, load_32, status_take,
)
from firmware_bridge._safety cimport safety_stop

__all__ = ["Station"]

cdef enum:
    EPOCH_MAX = 65535


cdef class Station:
    """The station for whoever has its own line and clock: tests in line time, and the monitor."""

    def __cinit__(self, *, uint32_t table, int64_t baud=115200, int epoch=1, bint preempts=True):
        if not 1 <= epoch <= EPOCH_MAX:
            raise ValueError(f"epoch {epoch}: expected 1..{EPOCH_MAX}")
        if not 1 <= baud <= 100_000_000:
            raise ValueError(f"{baud} baud: expected 1..100,000,000")
        self.state = <StationState*>calloc(1, sizeof(StationState))
        if self.state == NULL:
            raise MemoryError
        station_begin(self.state, baud, <uint16_t>epoch, table)
        self.state.preempts = preempts

    def __dealloc__(self):
        free(self.state)

    def port_opened(self, int64_t now_us) -> None:
        """The line is there: the opening begins."""
        station_port_opened(self.state, now_us)

    def port_lost(self, int64_t now_us) -> None:
        """The line went away."""
        station_port_lost(self.state, now_us)

    def disconnect(self, int64_t now_us) -> None:
        """Close the link for good."""
        station_disconnect(self.state, now_us)

    def receive(self, bytes octets not None, int64_t now_us) -> None:
        """Take octets of the line, in any portions."""
        station_receive(self.state, octets, len(octets), now_us)

    def poll(self, int64_t now_us) -> tuple:
        """The octets to write now, and whether the line's buffer must be emptied first."""
        cdef uint8_t out[WRITE_OCTETS_MAX]
        cdef bint flush = False
        cdef int length = station_poll(self.state, now_us, out, &flush)
        return out[:length], bool(flush)

    def deadline_us(self) -> int:
        """When poll has something to do next, if nothing comes in before."""
        return station_deadline(self.state)

    def submit(self, uint32_t command_id, uint8_t code, bytes body not None, int64_t until_us) -> bool:
        """Queue a command for the open link; False when the queue is full. The caller saw that the link is open."""
        cdef Command command
        if len(body) > BODY_OCTETS_MAX:
            raise ValueError(f"command {command_id}: {len(body)} octets of body, expected at most {BODY_OCTETS_MAX}")
        memset(&command, 0, sizeof(Command))
        command.id = command_id
        command.epoch = <uint16_t>load_32(&self.state.open_epoch)
        command.code = code
        command.length = <uint8_t>len(body)
        command.until_us = until_us
        memcpy(command.body, <const uint8_t*>body, len(body))
        return command_put(&self.state.commands, &command)

    def stop(self, uint16_t number, uint8_t reason, int64_t now_us) -> None:
        """Send STOP until it is acknowledged; `number` 1..65535."""
        safety_stop(&self.state.safety, number, reason, now_us)

    def release(self, uint16_t latch, int64_t now_us) -> None:
        """Send RESET for this latch until it is answered, at most ten times, and only on the line that is there now."""
        station_release(self.state, latch, now_us)

    def feed(self, int64_t at_us) -> None:
        """The core's sign of life at this time."""
        self.state.safety.token_us = max(self.state.safety.token_us, at_us)

    def events(self) -> list:
        """All events that wait as (kind, at_us, small, number, wide, octets), oldest first, the latest status last."""
        cdef list found = []
        cdef Event* event = event_first(&self.state.events)
        while event != NULL:
            found.append(_as_tuple(event))
            event_drop(&self.state.events)
            event = event_first(&self.state.events)
        event = status_take(&self.state.status)
        if event != NULL:
            found.append(_as_tuple(event))
        return found

    def counters(self) -> dict:
        """Every number this station counts, by its name in firmware_bridge.statistics."""
        return _counters(self.state)

    @property
    def open_epoch(self) -> int:
        """The epoch of the open link, 0 when no command is taken."""
        return load_32(&self.state.open_epoch)

    @property
    def has_room(self) -> bool:
        """Whether there is room for the results of more commands."""
        return bool(station_has_room(self.state))


cdef tuple _as_tuple(const Event* event):
    return (event.kind, event.at_us, event.small, event.number, event.wide, event.octets[:event.length])


cdef dict _counters(const StationState* station):
    return {
        "octets_sent": station.octets_sent,
        "octets_received": station.octets_received,
        "frames_sent": station.frames_sent,
        "frames_received": station.unframer.frames,
        "runts": station.unframer.runts,
        "giants": station.unframer.giants,
        "damaged": station.unframer.damaged,
        "aborted": station.unframer.aborted,
        "unknown": station.unknown,
        "links_opened": station.links_opened,
        "links_lost": station.links_lost,
        "commands_sent": station.sequence.commands_sent,
        "commands_repeated": station.sequence.commands_repeated,
        "results_received": station.results_received,
        "repetitions_received": station.sequence.repetitions_received,
        "rejects_sent": station.sequence.rejects_sent,
        "rejects_received": station.sequence.rejects_received,
        "timer_expiries": station.sequence.expiries,
        "round_trip_us": station.sequence.timer.smoothed_us,
        "time_out_us": station.sequence.timer.time_out_us,
        "heartbeats_sent": station.safety.heartbeats_sent,
        "heartbeats_withheld": station.safety.heartbeats_withheld,
        "heartbeats_received": station.safety.heartbeats_received,
        "token_stalls": station.safety.token_stalls,
        "stops_sent": station.safety.stops_sent,
        "events_dropped": station.events_dropped,
    }
