"""Owns one Unix stream socket that carries whole messages: nothing waits, nothing grows without limit."""

import os
import socket
import struct
from typing import Final

from firmware_bridge.errors import BridgeError
from firmware_bridge.socket_messages import Message, MessageReader, pack

__all__ = ["READ_OCTETS_MAX", "MessageSocket", "PeerGone", "Process", "process_of"]

READ_OCTETS_MAX: Final = 4096
UNSENT_OCTETS_MAX: Final = 262_144
"""Beyond what the kernel holds: the events of a full ring, once."""

CREDENTIALS: Final = struct.Struct("iII")


class PeerGone(BridgeError):
    """The process at the other end has closed the socket, or takes nothing any more."""


class Process:
    """Who is at the other end of a socket, as the kernel tells."""

    def __init__(self, pid: int, user: int) -> None:
        self.pid: Final = pid
        self.is_same_user: Final = user == os.geteuid()


def process_of(connection: socket.socket) -> Process:
    """The process that connected, or that listens (unix(7), SO_PEERCRED)."""
    pid, user, _group = CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    )
    return Process(pid, user)


class MessageSocket:
    """Takes over the socket."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._reader = MessageReader()
        self._unsent = bytearray()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close it; may be called again."""
        self._connection.close()

    @property
    def has_unsent(self) -> bool:
        """Whether octets wait for the peer to read."""
        return bool(self._unsent)

    def send(self, message: Message) -> None:
        """Send it behind what waits, now or at the next `flush`; raises PeerGone."""
        self._unsent += pack(message)
        self.flush()
        if len(self._unsent) > UNSENT_OCTETS_MAX:
            raise PeerGone(f"it has not read {len(self._unsent)} octets")

    def flush(self) -> None:
        """Hand over what the peer has room for; raises PeerGone."""
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerGone(f"it closed the socket ({error.strerror})") from error

    def receive(self) -> list[Message]:
        """The messages of one read, none when nothing came; raises PeerGone, MessagesBroken."""
        try:
            octets = self._connection.recv(READ_OCTETS_MAX)
        except BlockingIOError:
            return []
        except OSError as error:
            raise PeerGone(f"it closed the socket ({error.strerror})") from error
        if not octets:
            raise PeerGone("it closed the socket")
        return self.received(octets)

    def received(self, octets: bytes) -> list[Message]:
        """The messages in octets that were read already; raises MessagesBroken."""
        return list(self._reader.feed(octets))
