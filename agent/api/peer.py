"""Who is at the other end of a Unix socket, as the kernel tells, and whether that user may be there (unix(7))."""

import os
import pwd
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from aiohttp import web

__all__ = ["Peer", "groups_of", "is_welcome", "peer_name"]

_UCRED: Final = struct.Struct("=iII")  # pid_t, uid_t, gid_t


class _Socket(Protocol):
    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected, as it was at that moment."""

    pid: int
    uid: int
    gid: int

    @classmethod
    def of(cls, connection: _Socket) -> Self:
        """The peer of a connected Unix socket."""
        return cls(*_UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))


def is_welcome(peer: Peer, socket_file: Path) -> bool:
    """Our own user, root, and the members of the group that the socket file belongs to."""
    return peer.uid in (os.geteuid(), 0) or socket_file.stat().st_gid in groups_of(peer)


def groups_of(peer: Peer) -> frozenset[int]:
    """The groups of the peer's user, its current one included."""
    try:
        name = pwd.getpwuid(peer.uid).pw_name
    except KeyError:
        return frozenset({peer.gid})
    return frozenset({peer.gid, *os.getgrouplist(name, peer.gid)})


def peer_name(request: web.Request) -> str:
    """The other end of a connection in words: a network address, or the process on this machine."""
    connection = request.get_extra_info("socket")
    if request.remote or connection is None:
        return request.remote or "gone"
    peer = Peer.of(connection)
    return f"process {peer.pid} of user {peer.uid}"
