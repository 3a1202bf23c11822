"""Owns one client of one vehicle, from its greeting to its end: the line is open as long as the client is there.

So nothing of a client that has died is left over for the next one, and its tokens end with it. Stops, releases and
tokens have a socket of their own, which is served before each command: a stop overtakes whatever waits.
"""

import select
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final

from firmware_bridge._line import Line, now_us
from firmware_bridge.commands import NO_TIME_LIMIT
from firmware_bridge.errors import BridgeError
from firmware_bridge.message_socket import MessageSocket, PeerGone
from firmware_bridge.messages import TABLE_HASH
from firmware_bridge.socket_messages import (
    FOREVER_US,
    HELD_MAX,
    Counted,
    Feed,
    Goodbye,
    MessagesBroken,
    NotTaken,
    Release,
    Stop,
    Stopping,
    Submit,
    Taken,
    Told,
    Welcome,
)
from firmware_bridge.statistics import Statistics

__all__ = ["Session"]

TOKENS_WITHHELD_US: Final = 300_000
"""At first no token goes on, for longer than a lease: no vehicle that was on its way goes on under another core."""

COUNTED_INTERVAL_US: Final = 200_000
HELD_WAIT_US: Final = 5_000  # a full queue tells nobody when it has room again
COUNTERS: Final = struct.Struct(f"<{len(Statistics.__slots__)}q")


class Session:
    """Serves the client until it goes; `turn` is one round, for whoever has the loop."""

    def __init__(self, commands: MessageSocket, stops: MessageSocket, *, port: str, baud: int) -> None:
        """Opens the line; takes over both sockets."""
        self._commands = commands
        self._stops = stops
        self._line = Line(port, table=TABLE_HASH, baud=baud)
        self._thread = Thread(target=self._line.run, name=f"line {port}", daemon=True)
        self._held: deque[Submit] = deque()
        self._queue_full = False
        self._counted_us = 0
        self._tokens_from_us = now_us() + TOKENS_WITHHELD_US
        self._thread.start()
        with suppress(PeerGone):  # the first round finds out
            commands.send(Welcome(baud, port.encode()))

    def run(self, goes_on: Callable[[], bool]) -> str:
        """Serve until the client goes or `goes_on` says no, asked five times a second; why it ended."""
        try:
            while goes_on():
                self.turn()
        except BridgeError as error:
            return self._end(str(error))
        return self._end("the bridge's process was told to end")

    def turn(self) -> None:
        """Wait for something to do, at most 0.2 s, and do it; raises PeerGone, MessagesBroken."""
        ready = self._wait()
        if ready.get(self._stops.fileno()):
            self._take_stops()
        self._tell()
        gone = ready.get(self._commands.fileno(), 0) & select.POLLHUP
        if gone or (ready.get(self._commands.fileno(), 0) & select.POLLIN and not self._held):
            self._receive_commands()
        if self._held:
            self._pass_on(self._held[0])

    def close(self) -> None:
        """Close link, port and sockets, within a tenth of a second."""
        self._line.quit()
        self._thread.join()
        self._commands.close()
        self._stops.close()

    def _end(self, why: str) -> str:
        with suppress(PeerGone):
            self._commands.send(Goodbye(why.encode()))
        self.close()
        return why

    def _wait(self) -> dict[int, int]:
        poll = select.poll()
        poll.register(self._stops.fileno(), select.POLLIN)
        wanted = 0 if self._held else select.POLLIN
        if self._commands.has_unsent:
            wanted |= select.POLLOUT
        else:
            poll.register(self._line.fileno(), select.POLLIN)
        poll.register(self._commands.fileno(), wanted)
        wait_us = max(self._counted_us + COUNTED_INTERVAL_US - now_us(), 0)
        if self._held:
            wait_us = min(wait_us, HELD_WAIT_US if self._queue_full else 0)
        return dict(poll.poll(wait_us / 1000))

    def _take_stops(self) -> None:
        for message in self._stops.receive():
            match message:
                case Feed(made_us=made_us):
                    if made_us >= self._tokens_from_us:
                        self._line.feed(made_us)
                case Stop(number=number, reason=reason):
                    self._commands.send(Stopping(number, self._line.stop(reason)))
                case Release(latch=latch) if latch:
                    self._line.release(latch)
                case _:
                    raise MessagesBroken(f"{message}: not on the socket for stops")

    def _tell(self) -> None:
        """Events, while the client reads: those it does not read stay in the line, which makes the vehicle wait."""
        self._commands.flush()
        if self._commands.has_unsent:
            return
        for event in self._line.events():
            self._commands.send(Told(*event))
        if now_us() >= self._counted_us + COUNTED_INTERVAL_US:
            self._counted_us = now_us()
            counters = self._line.counters()
            self._commands.send(Counted(COUNTERS.pack(*(counters[name] for name in Statistics.__slots__))))

    def _receive_commands(self) -> None:
        for message in self._commands.receive():
            if not isinstance(message, Submit):
                raise MessagesBroken(f"{message}: not on the socket for commands")
            self._held.append(message)
        if len(self._held) > HELD_MAX:
            raise MessagesBroken(f"{len(self._held)} commands at once: expected at most {HELD_MAX} that were not taken")

    def _pass_on(self, command: Submit) -> None:
        """The command goes to the line, or back, or stays while the line has no room."""
        left_us = command.until_us - now_us()
        if command.epoch != self._line.open_epoch:
            self._not_taken(command, late=False)
        elif left_us <= 0:
            self._not_taken(command, late=True)
        elif self._line.has_room and self._submit(command, left_us):
            self._held.popleft()
            self._queue_full = False
            self._commands.send(Taken(1))
        else:
            self._queue_full = True

    def _submit(self, command: Submit, left_us: int) -> bool:
        left_ms = NO_TIME_LIMIT if command.until_us == FOREVER_US else min(left_us // 1000, NO_TIME_LIMIT - 1)
        return self._line.submit(command.command_id, command.code, command.body, left_ms)

    def _not_taken(self, command: Submit, *, late: bool) -> None:
        self._held.popleft()
        self._queue_full = False
        self._commands.send(NotTaken(command.command_id, late))
