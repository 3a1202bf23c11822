"""A port that takes no connection and refuses none, as behind a firewall or on an IPv6 way that leads nowhere."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

__all__ = ["black_hole", "two_addresses"]

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


def two_addresses(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Every name has 127.0.0.2 and 127.0.0.1, as one has AAAA and A records; this machine may have no IPv6 at all."""
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: addresses)
