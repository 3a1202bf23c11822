"""Owns the client's two sockets of one connection to a bridge's process, and what was sent and not taken yet."""

import socket
from pathlib import Path
from typing import Final

from firmware_bridge.commands import NO_TIME_LIMIT, Command
from firmware_bridge.errors import BridgeError
from firmware_bridge.events import StopReason
from firmware_bridge.message_socket import MessageSocket, process_of
from firmware_bridge.socket_messages import (
    FOREVER_US,
    HELD_MAX,
    VERSION,
    Feed,
    Hello,
    Message,
    Release,
    Stop,
    Submit,
    pack,
)

__all__ = ["Connection", "NotConnected"]

STOPS_MAX: Final = 64
"""Stops whose numbers are kept: only the last ones can still be acknowledged."""


class NotConnected(BridgeError):
    """The bridge's process is not there, or is somebody else's; the text says which."""


class Connection:
    """Connected; raises PeerGone from every method that sends once the process takes nothing."""

    def __init__(self, path: Path, vehicle: str, now_us: int) -> None:
        """Connects and greets without waiting for the answer; raises NotConnected."""
        ours, theirs = socket.socketpair()
        try:
            self.commands: Final = MessageSocket(_connected(path, vehicle, theirs))
        except NotConnected:
            ours.close()
            raise
        finally:
            theirs.close()
        self._stops: Final = MessageSocket(ours)
        self.heard_us = now_us
        self.port = ""
        self.baud = 0
        self.on_the_way = 0
        """Commands that the bridge's process has not taken yet."""
        self.stops: dict[int, int] = {}
        """Our number of each stop by the line's."""

    def close(self) -> None:
        """Both sockets."""
        self.commands.close()
        self._stops.close()

    def receive(self) -> list[Message]:
        """What came, none when nothing did; raises PeerGone, MessagesBroken."""
        return self.commands.receive()

    @property
    def has_room(self) -> bool:
        """Whether another command may be on the way."""
        return self.on_the_way < HELD_MAX

    def submit(self, command: Command, epoch: int, now_us: int) -> None:
        """Send a command for the link of this epoch; its time to live also runs while it waits in the socket."""
        until_us = FOREVER_US if command.ttl_ms >= NO_TIME_LIMIT else now_us + command.ttl_ms * 1000
        self.commands.send(Submit(epoch, command.command_id, until_us, command.CODE, command.body()))
        self.on_the_way += 1

    def note_stop(self, line_number: int, number: int) -> None:
        """Our number of the line's stop; of the last few."""
        self.stops[line_number] = number
        if len(self.stops) > STOPS_MAX:
            del self.stops[next(iter(self.stops))]

    def stop(self, number: int, reason: StopReason) -> None:
        """Send a stop, past all commands."""
        self._stops.send(Stop(number, reason))

    def release(self, latch: int) -> None:
        """Send a release, behind the stops."""
        self._stops.send(Release(latch))

    def feed(self, made_us: int) -> None:
        """Send a token; not while older ones wait, for they say nothing any more."""
        self._stops.flush()
        if not self._stops.has_unsent:
            self._stops.send(Feed(made_us))


def _connected(path: Path, vehicle: str, stops: socket.socket) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        connection.connect(str(path))
        _refuse_other_users(connection)
        socket.send_fds(connection, [pack(Hello(VERSION, vehicle.encode()))], [stops.fileno()])
    except OSError as error:
        connection.close()
        raise NotConnected(f"no bridge's process is there ({error.strerror}): start `storeforward bridge`") from error
    except NotConnected:
        connection.close()
        raise
    return connection


def _refuse_other_users(connection: socket.socket) -> None:
    if not process_of(connection).is_same_user:
        raise NotConnected("the bridge's process there belongs to another user: start it as this one")
