"""A port that takes no connection and refuses none, as behind a firewall or on an IPv6 way that leads nowhere."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["black_hole"]

CONNECTIONS_UNTIL_FULL = 4  # a backlog of 0 holds one or two, by the kernel's version


@contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """The port. Its listener's queue is full, so the kernel drops what comes."""
    with ExitStack() as opened:
        listening = opened.enter_context(socket.socket())
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(0)
        for _ in range(CONNECTIONS_UNTIL_FULL):
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
