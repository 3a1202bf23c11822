"""Owns the bridge in another process: the interface `Bridge` over its Unix socket, connected again when that restarts.

It has no thread: `feed`, `events` and `submit` do what there is to do, so it lives exactly as long as the mission loop.
"""

import os
import select
import struct
import weakref
from dataclasses import replace
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final, Self

from firmware_bridge._line import now_us
from firmware_bridge.commands import Command
from firmware_bridge.errors import BridgeError, CommandRefused, Refusal
from firmware_bridge.events import (
    Event,
    LinkDown,
    LinkUp,
    NotSent,
    NotSentReason,
    PortLost,
    ReleaseFailed,
    Status,
    StopAcknowledged,
    StopReason,
)
from firmware_bridge.messages import RawEvent, event_of, printable
from firmware_bridge.socket_connection import Connection, NotConnected
from firmware_bridge.socket_messages import (
    Counted,
    Goodbye,
    Message,
    MessagesBroken,
    NotTaken,
    Stopping,
    Taken,
    Told,
    Welcome,
)
from firmware_bridge.statistics import Statistics

__all__ = ["SocketBridge"]

RECONNECT_FIRST_US: Final = 50_000
RECONNECT_MAX_US: Final = 2_000_000
SILENCE_US_MAX: Final = 2_000_000
"""A bridge's process says its counters five times a second."""

EVENTS_MAX: Final = 1024
"""Unread ones; then they stay in the bridge's process, as many again, and then the vehicle waits."""

NUMBERS_MAX: Final = 65535
COUNTERS: Final = struct.Struct(f"<{len(Statistics.__slots__)}q")
NO_PROCESS: Final = "the bridge's process is not there"
CLOSED: Final = "the bridge was closed"


class SocketBridge:
    """A `Bridge` over the vehicle that a bridge's process at this socket has; a missing process is waited for."""

    def __init__(self, path: Path, *, vehicle: str) -> None:
        """Connects if it can; goes on trying with each `feed`."""
        self._path = path
        self._vehicle = vehicle
        self._lock = RLock()  # a stop may come from any thread
        self._connection: Connection | None = None
        self._connect_at_us = 0
        self._connect_wait_us = RECONNECT_FIRST_US
        self._problem = ""
        self._epoch = 0
        self._found: list[Event] = []
        self._status: Status | None = None
        self._stop: tuple[int, StopReason] | None = None
        self._stops = 0
        self._counted = Statistics(*(0 for _ in Statistics.__slots__))
        self._closed = False
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)  # events that wait here, not in the socket
        weakref.finalize(self, os.close, self._wake)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._work()

    def __enter__(self) -> Self:
        """The bridge itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def submit(self, command: Command) -> None:
        """Send a command for the open link, or raise CommandRefused."""
        with self._lock:
            self._work()
            refusal = self._refusal()
            if refusal:
                raise CommandRefused(command.command_id, refusal)
            assert self._connection, "an open link has one"
            try:
                self._connection.submit(command, self._epoch, now_us())
            except BridgeError as error:
                self._fail(error)

    def stop(self, reason: StopReason) -> int:
        """Stop the vehicle; the number of this stop. Without the bridge's process the vehicle's lease ends anyway."""
        with self._lock:
            self._stops = self._stops % NUMBERS_MAX + 1
            self._stop = self._stops, reason
            self._send_stop()
            return self._stops

    def release(self, latch: int) -> None:
        """Release this latch, because a person asked for it."""
        if not 1 <= latch <= NUMBERS_MAX:
            raise ValueError(f"latch {latch}: expected 1..{NUMBERS_MAX}")
        with self._lock:
            try:
                if self._connection:
                    self._connection.release(latch)
            except BridgeError as error:
                self._fail(error)
            if not self._connection:
                self._add(ReleaseFailed(now_us(), latch, NO_PROCESS))

    def feed(self) -> None:
        """The core's sign of life: now."""
        made_us = now_us()
        with self._lock:
            self._work()
            try:
                if self._connection:
                    self._connection.feed(made_us)
            except BridgeError as error:
                self._fail(error)

    def fileno(self) -> int:
        """A descriptor that is readable while events wait; valid as long as the bridge exists."""
        return self._epoll.fileno()

    def events(self) -> list[Event]:
        """All events that wait, oldest first, and the latest Status last."""
        with self._lock:
            self._work()
            found, self._found = self._found, []
            if self._status:
                found.append(self._status)
                self._status = None
            if select.select([self._wake], [], [], 0)[0]:
                os.eventfd_read(self._wake)
            return found

    def statistics(self) -> Statistics:
        """Counters of the bridge's process for this client, at most 0.2 s old; a new connection begins at zero."""
        with self._lock:
            self._work()
            return self._counted

    def close(self) -> None:
        """Let go of the bridge's process, which then closes link and port."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._disconnect(CLOSED)

    def _refusal(self) -> Refusal | None:
        if self._closed:
            return Refusal.CLOSED
        if not self._epoch or not self._connection:
            return Refusal.LINK_DOWN
        if len(self._found) >= EVENTS_MAX:
            return Refusal.EVENTS_UNREAD
        return None if self._connection.has_room else Refusal.QUEUE_FULL

    # -- the connection

    def _work(self) -> None:
        """Connect when it is time, and take what came."""
        if self._closed:
            return
        if not self._connection and now_us() >= self._connect_at_us:
            self._connect()
        try:
            while self._connection and len(self._found) < EVENTS_MAX and self._receive(self._connection):
                pass
        except BridgeError as error:
            self._lose(str(error))

    def _connect(self) -> None:
        try:
            self._connection = Connection(self._path, self._vehicle, now_us())
        except NotConnected as error:
            self._lose(str(error))
            return
        self._epoll.register(self._connection.commands.fileno(), select.EPOLLIN)
        self._send_stop()

    def _send_stop(self) -> None:
        """The stop that nobody acknowledged yet, also to a process that has just come."""
        try:
            if self._stop and self._connection:
                self._connection.stop(*self._stop)
        except BridgeError as error:
            self._fail(error)

    def _receive(self, connection: Connection) -> bool:
        """Whether something came; raises PeerGone, MessagesBroken."""
        messages = connection.receive()
        if messages:
            connection.heard_us = now_us()
        elif now_us() - connection.heard_us > SILENCE_US_MAX:
            raise MessagesBroken(f"it has said nothing for {SILENCE_US_MAX / 1e6:.0f} s: does it hang?")
        for message in messages:
            self._take(connection, message)
        return bool(messages)

    def _fail(self, error: BridgeError) -> None:
        """Nothing can be sent; what the process said last, if it did, is the better reason."""
        self._work()
        if self._connection:
            self._lose(str(error))

    def _lose(self, why: str) -> None:
        """No bridge's process: told once per reason, tried again after 50 ms to 2 s."""
        self._disconnect(f"the bridge's process is gone: {why}")
        if why != self._problem:
            self._problem = why
            self._add(PortLost(now_us(), str(self._path), why))
        self._connect_at_us = now_us() + self._connect_wait_us
        self._connect_wait_us = min(self._connect_wait_us * 2, RECONNECT_MAX_US)

    def _disconnect(self, why: str) -> None:
        if self._connection:
            self._epoll.unregister(self._connection.commands.fileno())
            self._connection.close()
            self._connection = None
        if self._epoch:
            self._add(LinkDown(now_us(), self._epoch, why))
            self._epoch = 0

    # -- what comes

    def _take(self, connection: Connection, message: Message) -> None:
        match message:
            case Told():
                self._take_event(connection, RawEvent(*message))
            case Taken(commands=commands):
                connection.on_the_way -= commands
            case NotTaken(command_id=command_id, late=late):
                connection.on_the_way -= 1
                reason = NotSentReason.EXPIRED if late else NotSentReason.LINK_CLOSED
                self._add(NotSent(now_us(), command_id, reason))
            case Stopping(number=number, line_number=line_number):
                connection.note_stop(line_number, number)
            case Counted(octets=octets) if len(octets) == COUNTERS.size:
                self._counted = Statistics(*COUNTERS.unpack(octets))
            case Welcome(baud=baud, port=port):
                connection.port, connection.baud = port.decode(errors="replace"), baud
                self._connect_wait_us = RECONNECT_FIRST_US
                self._problem = ""
            case Goodbye(why=why):
                raise NotConnected(printable(why))
            case _:
                raise MessagesBroken(f"{message}: not from a bridge")

    def _take_event(self, connection: Connection, raw: RawEvent) -> None:
        try:
            event = event_of(raw, connection.port, connection.baud)
        except (IndexError, struct.error) as error:
            raise MessagesBroken(f"{raw}: no event") from error
        match event:
            case Status():
                self._status = event
                self._signal()
                return
            case LinkUp(epoch=epoch):
                self._epoch = epoch
            case LinkDown():
                self._epoch = 0
            case StopAcknowledged(stop=line_number):
                event = replace(event, stop=connection.stops.get(line_number, 0))
                if self._stop and event.stop == self._stop[0]:
                    self._stop = None
        self._add(event)

    def _add(self, event: Event) -> None:
        self._found.append(event)
        self._signal()

    def _signal(self) -> None:
        os.eventfd_write(self._wake, 1)
