# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Writes are bounded by the station's 274 octets, reads by the buffer's size; the path's length is checked.
"""Owns the thread that serves one serial port without the GIL: opens it, reads, writes, reopens; the station decides.

Python and the loop share the station's queues and the few words of Loop that load_32, store_32 and kin touch.
Everything else of the station belongs to the loop while it runs.
"""

import os

from libc.errno cimport EAGAIN, EINTR, EIO, errno
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset
from posix.ioctl cimport ioctl
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, nanosleep, timespec
from posix.unistd cimport close, read, write

from firmware_bridge._link cimport (
    WRITE_OCTETS_MAX, StationState, station_backlog, station_deadline, station_disconnect, station_event,
    station_has_room, station_poll, station_port_lost, station_port_opened, station_receive, station_release,
)
from firmware_bridge._port cimport READING, WRITING, Step, port_close, port_open
from firmware_bridge._queues cimport (
    PORT_LOST, PORT_OPENED, Event, event_end, exchange_32, load_32, load_64, store_32, store_64,
)
from firmware_bridge._safety cimport safety_stop
from firmware_bridge._station cimport Station

__all__ = ["Line", "now_us"]

cdef extern from *:
    """
    #include <poll.h>
    #include <signal.h>
    #include <sys/eventfd.h>
    #include <sys/ioctl.h>
    #include <termios.h>
    """
    int EFD_CLOEXEC, EFD_NONBLOCK, TIOCOUTQ, TCOFLUSH
    short POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL
    struct pollfd:
        int fd
        short events
        short revents
    ctypedef struct sigset_t:
        pass
    int eventfd(unsigned int, int) nogil
    int ppoll(pollfd*, unsigned long, const timespec*, const sigset_t*) nogil
    int tcflush(int, int) nogil

cdef enum:
    PATH_OCTETS_MAX = 4096
    READ_OCTETS_MAX = 4096
    REOPEN_FIRST_US = 50_000
    REOPEN_MAX_US = 2_000_000
    LEAVE_US_MAX = 25_000       # for a frame to go out: the longest has 24 ms at 115200 baud
    LAST_FRAMES = 4             # what is going out, a stop, a heartbeat, DISC
    REQUEST = 0x10000           # a bit above the 16 of a stop or latch number

cdef struct Loop:
    uint32_t quit               # by Python
    uint32_t release            # by Python: REQUEST | latch
    uint32_t stop               # by Python: reason << 24 | REQUEST | number
    int64_t stop_asked_us       # by Python
    int64_t token_us            # by Python
    int port                    # -1: closed
    int wake                    # eventfd: Python wants something
    int tell                    # eventfd: events wait for Python
    int baud
    int pending                 # octets of `out` that the port has not taken
    int64_t stop_open_us        # when the stop that is not on the line yet was asked for, 0 for none
    int64_t reopen_at_us
    int64_t reopen_wait_us
    uint64_t frames_at_opening
    uint32_t told_problem       # errno and step last told, 0 for none
    uint32_t told_events
    uint32_t told_statuses
    uint64_t ports_opened
    int64_t stop_wait_us_max
    uint8_t out[WRITE_OCTETS_MAX]
    char path[PATH_OCTETS_MAX]


cdef int64_t _now() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1_000_000 + now.tv_nsec // 1000


cdef void _signal(int descriptor) noexcept nogil:
    cdef uint64_t one = 1
    write(descriptor, &one, sizeof(one))  # full means that it is signalled already


cdef void _quiet(int descriptor) noexcept nogil:
    cdef uint64_t count
    read(descriptor, &count, sizeof(count))


cdef void _take_requests(Loop* loop, StationState* station, int64_t now_us) noexcept nogil:
    """What Python asked for since the last time; of several stops the last one, which has the highest number."""
    cdef uint32_t request = exchange_32(&loop.stop, 0)
    station.safety.token_us = max(station.safety.token_us, load_64(&loop.token_us))
    if request:
        safety_stop(&station.safety, <uint16_t>(request & 0xFFFF), <uint8_t>(request >> 24), now_us)
        loop.stop_open_us = load_64(&loop.stop_asked_us) if loop.port >= 0 else 0
    request = exchange_32(&loop.release, 0)
    if request:
        station_release(station, <uint16_t>(request & 0xFFFF), now_us)


# -- the port


cdef void _tell_port(StationState* station, uint8_t kind, Step step, int problem, int64_t now_us) noexcept nogil:
    cdef Event* event = station_event(station, kind, now_us, 0)
    if event == NULL:
        return
    event.small = step
    event.wide = problem
    event_end(&station.events)


cdef void _lost(Loop* loop, StationState* station, Step step, int problem, int64_t now_us) noexcept nogil:
    """The port cannot be used: told once per reason, tried again after 50 ms to 2 s."""
    if loop.port >= 0:
        port_close(loop.port)
        loop.port = -1
        station_port_lost(station, now_us)
        if station.unframer.frames != loop.frames_at_opening:
            loop.reopen_wait_us = REOPEN_FIRST_US
    loop.pending = 0
    loop.stop_open_us = 0
    if loop.told_problem != (<uint32_t>problem << 8 | step):
        _tell_port(station, PORT_LOST, step, problem, now_us)
    loop.told_problem = <uint32_t>problem << 8 | step
    loop.reopen_at_us = now_us + loop.reopen_wait_us
    loop.reopen_wait_us = min(loop.reopen_wait_us * 2, REOPEN_MAX_US)


cdef void _try_open(Loop* loop, StationState* station, int64_t now_us) noexcept nogil:
    cdef Step step
    cdef int port
    if now_us < loop.reopen_at_us:
        return
    if not station_has_room(station):
        loop.reopen_at_us = now_us + REOPEN_MAX_US
        return
    port = port_open(loop.path, loop.baud, &step)
    if port < 0:
        _lost(loop, station, step, -port, now_us)
        return
    loop.port = port
    loop.told_problem = 0
    loop.ports_opened += 1
    loop.frames_at_opening = station.unframer.frames
    _tell_port(station, PORT_OPENED, step, 0, now_us)
    station_port_opened(station, now_us)


# -- reading and writing


cdef void _read(Loop* loop, StationState* station, short ready, int64_t now_us) noexcept nogil:
    """One read at most, so that a flood of octets does not hold up what is to be sent."""
    cdef uint8_t octets[READ_OCTETS_MAX]
    cdef Py_ssize_t length
    if ready & POLLIN:
        length = read(loop.port, octets, READ_OCTETS_MAX)
        if length > 0:
            station_receive(station, octets, length, now_us)
        elif length == 0:
            _lost(loop, station, READING, EIO, now_us)
        elif errno != EAGAIN and errno != EINTR:
            _lost(loop, station, READING, errno, now_us)
    elif ready & (POLLHUP | POLLERR | POLLNVAL):
        _lost(loop, station, READING, EIO, now_us)


cdef void _write(Loop* loop, StationState* station, int64_t now_us) noexcept nogil:
    """Gives the port what it takes of the pending octets."""
    cdef Py_ssize_t written = write(loop.port, loop.out, loop.pending)
    if written < 0:
        if errno != EAGAIN and errno != EINTR:
            _lost(loop, station, WRITING, errno, now_us)
        written = 0
    loop.pending -= <int>written
    if loop.pending > 0:
        memmove(loop.out, loop.out + written, loop.pending)
        station_backlog(station, loop.pending, now_us)
    elif loop.stop_open_us and not station.safety.stop_fresh:
        loop.stop_wait_us_max = max(loop.stop_wait_us_max, _now() - loop.stop_open_us)
        loop.stop_open_us = 0


cdef void _hear_the_line(Loop* loop, StationState* station, int64_t now_us) noexcept nogil:
    """Real ports say what they have not sent; a pty always says 0, and the clock decides."""
    cdef int waiting = 0
    if now_us >= station.drained_us and ioctl(loop.port, TIOCOUTQ, &waiting) == 0 and waiting > 0:
        station_backlog(station, waiting, now_us)


cdef void _send(Loop* loop, StationState* station, int64_t now_us) noexcept nogil:
    """At most one frame goes to the port: the station lets the next one go when the baud rate has drained it."""
    cdef bint flush = False
    if loop.pending > 0 and station.safety.stop_open and station.safety.stop_fresh:
        station_backlog(station, loop.pending, now_us)
        loop.pending = 0
    if loop.pending > 0:
        _write(loop, station, now_us)
    if loop.pending > 0 or loop.port < 0:
        return
    _hear_the_line(loop, station, now_us)
    loop.pending = station_poll(station, now_us, loop.out, &flush)
    if flush:
        tcflush(loop.port, TCOFLUSH)
    if loop.pending > 0:
        _write(loop, station, now_us)


cdef void _tell_python(Loop* loop, StationState* station) noexcept nogil:
    if loop.told_events != station.events.written or loop.told_statuses != station.status.puts:
        loop.told_events = station.events.written
        loop.told_statuses = station.status.puts
        _signal(loop.tell)


cdef void _wait(Loop* loop, StationState* station) noexcept nogil:
    """Until the port or Python has something, or something is due."""
    cdef pollfd watched[2]
    cdef timespec timeout
    cdef int64_t now_us = _now()
    cdef int64_t left_us = (loop.reopen_at_us if loop.port < 0 else station_deadline(station)) - now_us
    left_us = min(max(left_us, 0), 1_000_000)  # a clock that jumps costs a second at most
    timeout.tv_sec = left_us // 1_000_000
    timeout.tv_nsec = left_us % 1_000_000 * 1000
    watched[0].fd = loop.wake
    watched[0].events = POLLIN
    watched[1].fd = loop.port
    watched[1].events = POLLIN | (POLLOUT if loop.pending > 0 else 0)
    watched[0].revents = watched[1].revents = 0
    if ppoll(watched, 1 if loop.port < 0 else 2, &timeout, NULL) <= 0:
        return
    if watched[0].revents:
        _quiet(loop.wake)
    if watched[1].revents and loop.port >= 0:
        _read(loop, station, watched[1].revents, _now())


cdef void _leave(Loop* loop, StationState* station) noexcept nogil:
    """A stop that was asked for last and DISC, a moment for them to go out, and the port is closed."""
    cdef int64_t now_us = _now()
    cdef timespec pause
    _take_requests(loop, station, now_us)
    station_disconnect(station, now_us)
    pause.tv_sec = 0
    for _ in range(LAST_FRAMES):
        if loop.port >= 0 and loop.pending == 0:
            _send(loop, station, _now())
            pause.tv_nsec = min(max(station.drained_us - _now(), 0), LEAVE_US_MAX) * 1000
            nanosleep(&pause, NULL)
    if loop.port >= 0:
        port_close(loop.port)
        loop.port = -1
    station_port_lost(station, now_us)
    _tell_python(loop, station)


cdef void _run(Loop* loop, StationState* station) noexcept nogil:
    cdef int64_t now_us
    cdef bint flush = False
    while not load_32(&loop.quit):
        now_us = _now()
        _take_requests(loop, station, now_us)
        if loop.port < 0:
            _try_open(loop, station, now_us)
        if loop.port >= 0:
            _send(loop, station, now_us)
        else:
            station_poll(station, now_us, loop.out, &flush)  # has nothing to write, but tells what cannot be done
        _tell_python(loop, station)
        _wait(loop, station)
    _leave(loop, station)


# -- Python's side


def now_us() -> int:
    """CLOCK_MONOTONIC in microseconds: the loop's clock, the same in every process of this machine."""
    return _now()


cdef class Line:
    """One port and its station: `run` serves it until `quit`, in the thread that calls it, without the GIL.

    `epoch` 0 takes the first one from the clock, so that a restart does not begin with the last process's; so do the
    numbers of stops.
    """

    cdef Station station
    cdef Loop loop
    cdef uint16_t stops

    def __cinit__(self, str port not None, *, uint32_t table, int baud, int epoch=0):
        cdef bytes path = os.fsencode(port)
        cdef int64_t now = _now()
        memset(&self.loop, 0, sizeof(Loop))
        self.loop.port = self.loop.wake = self.loop.tell = -1
        if len(path) >= PATH_OCTETS_MAX:
            raise ValueError(f"{len(path)} octets of path: expected fewer than {PATH_OCTETS_MAX}")
        if b"\0" in path:
            raise ValueError("a port's path holds no NUL")
        self.station = Station(table=table, baud=baud, epoch=epoch or now // 1000 % 65535 + 1)
        self.stops = now // 1000 % 65535
        memcpy(self.loop.path, <const char*>path, len(path))
        self.loop.baud = baud
        self.loop.reopen_wait_us = REOPEN_FIRST_US
        self.loop.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        self.loop.tell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.loop.wake < 0 or self.loop.tell < 0:
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        if self.loop.wake >= 0:
            close(self.loop.wake)
        if self.loop.tell >= 0:
            close(self.loop.tell)

    def run(self) -> None:
        """Serve the port until `quit`."""
        cdef Loop* loop = &self.loop
        cdef StationState* station = self.station.state
        with nogil:
            _run(loop, station)

    def quit(self) -> None:
        """Make `run` return, within a tenth of a second; for good."""
        store_32(&self.loop.quit, 1)
        _signal(self.loop.wake)

    def submit(self, uint32_t command_id, uint8_t code, bytes body not None, int ttl_ms) -> bool:
        """Queue a command; False when the queue is full."""
        cdef int64_t until = INT64_MAX if ttl_ms >= 65535 else _now() + <int64_t>ttl_ms * 1000
        cdef bint taken = self.station.submit(command_id, code, body, until)
        _signal(self.loop.wake)
        return bool(taken)

    def stop(self, uint8_t reason) -> int:
        """Ask for a stop; its number."""
        self.stops = self.stops % 65535 + 1
        store_64(&self.loop.stop_asked_us, _now())
        store_32(&self.loop.stop, <uint32_t>reason << 24 | REQUEST | self.stops)
        _signal(self.loop.wake)
        return self.stops

    def release(self, uint16_t latch) -> None:
        """Ask for the release of this latch."""
        store_32(&self.loop.release, REQUEST | latch)
        _signal(self.loop.wake)

    def feed(self, int64_t at_us=0) -> None:
        """The core's sign of life: at this time, or now. A time to come counts as now."""
        cdef int64_t now = _now()
        at_us = min(at_us, now) if at_us > 0 else now
        store_64(&self.loop.token_us, max(at_us, load_64(&self.loop.token_us)))

    def fileno(self) -> int:
        """A descriptor that is readable while events wait."""
        return self.loop.tell

    def events(self) -> list:
        """All events that wait, as Station.events gives them."""
        cdef list found
        _quiet(self.loop.tell)
        found = self.station.events()
        if found:
            _signal(self.loop.wake)  # there is room again
        return found

    def counters(self) -> dict:
        """Every number the line and its station count."""
        return {
            **self.station.counters(),
            "stop_wait_us_max": self.loop.stop_wait_us_max,
            "ports_opened": self.loop.ports_opened,
        }

    @property
    def open_epoch(self) -> int:
        """The epoch of the open link, 0 when no command is taken."""
        return self.station.open_epoch

    @property
    def has_room(self) -> bool:
        """Whether there is room for the results of more commands."""
        return self.station.has_room
