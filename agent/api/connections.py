"""Which connections are served when file descriptors run short: some stay kept for the disk, and some for this machine.

The kernel gives each file the lowest free number, so a connection whose number is near the limit shows that the
rest is in use. It is told 503 and closed, before the log, the link or a callers' command would find nothing left.
"""

import asyncio
import resource
from collections.abc import Callable
from functools import cache
from typing import Final

from aiohttp import web

from agent.api.refusal import Refusal, problem_response

__all__ = ["ACCEPTS_AT_A_TIME", "LOCAL_RESERVE", "TCP_RESERVE", "connections_of"]

ACCEPTS_AT_A_TIME: Final = 8  # of a listener; about four times as many are open before the first is turned away
LOCAL_RESERVE: Final = 64
"""Descriptors that no connection keeps: for the disk, the link, vehicles and child processes."""
TCP_RESERVE: Final = 160
"""Descriptors that no TCP connection keeps, so that callers on this machine are served while others crowd in."""
KEEPALIVE_S: Final = 75.0  # without a request, from the first moment on
LINGERING_S: Final = 0.3  # what a refused body's sender still sends is read, so that it sees the answer
TRY_AGAIN_S: Final = 5.0


def connections_of(server: web.Server, reserve: int) -> Callable[[], asyncio.Protocol]:
    """What a listener calls for each connection; `reserve` descriptors are not given to any of them."""
    return lambda: _Connection(server, reserve)


class _Connection(web.RequestHandler):
    def __init__(self, server: web.Server, reserve: int) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGERING_S,
            access_log=None,  # type: ignore[arg-type]  # off, as everywhere in aiohttp
        )
        self._reserve = reserve

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if transport.get_extra_info("socket").fileno() >= soft_limit - self._reserve:
            self.force_close()  # reads nothing
            transport.write(_too_many())
            transport.close()
            return
        super().connection_made(transport)


@cache
def _too_many() -> bytes:
    """The refusal as an HTTP answer to a connection of which nothing was read."""
    refusal = Refusal(503, "too_many_connections", "too many connections are open", retry_after_s=TRY_AGAIN_S)
    answer = problem_response(refusal)
    assert isinstance(answer.body, bytes)
    headers = {**answer.headers, "Content-Length": str(len(answer.body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + answer.body
