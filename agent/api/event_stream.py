"""Server-sent events (WHATWG HTML, 9.2): what is newest is sent, and nothing waits in line for a slow client.

A stream has no queue. It is woken by changes, and when the client has taken what was sent before, it asks for what
there is now: a client that is too slow misses what lies between.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from agent.api.metrics import Metrics
from agent.api.refusal import Refusal

__all__ = ["EVENT_STREAM", "EventStreams", "StreamSource", "wants_stream"]

EVENT_STREAM: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0  # shorter than the usual 30 to 60 s after which something in between gives up
WRITE_TIMEOUT_S: Final = 30.0  # a client that takes nothing for this long is gone
DRAIN_CHECK_S: Final = 0.02
KERNEL_BUFFER_BYTES: Final = 16_384  # small, so that what a slow client reads late is not much


def wants_stream(request: web.Request) -> bool:
    """Whether the client asks for a stream instead of one document."""
    return EVENT_STREAM in request.headers.get("Accept", "")


@dataclass(frozen=True, slots=True)
class StreamSource:
    """What a stream shows."""

    watch: Callable[[Callable[[], None]], Callable[[], None]]
    """Takes a function to call on every change, and returns one that ends that."""
    take: Callable[[], bytes]
    """What the client has not been sent yet, as encoded messages; empty when there is nothing."""


class EventStreams:
    """All open streams of the API, so that there are not too many and all end together."""

    def __init__(self, streams_max: int, metrics: Metrics, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._streams_max = streams_max
        self._metrics = metrics
        self._heartbeat_s = heartbeat_s
        self._open: dict[asyncio.Event, web.Request] = {}
        self._closing = False

    async def serve(self, request: web.Request, source: StreamSource) -> web.StreamResponse:
        """Send until the client leaves or the API stops.

        Raises:
            Refusal: when there are too many streams already.
        """
        if len(self._open) >= self._streams_max:
            raise Refusal(
                503, "too_many_streams", f"{self._streams_max} event streams are open already", retry_after_s=5.0
            )
        changed = asyncio.Event()
        self._open[changed] = request
        self._metrics.streams_open(len(self._open))
        stop_watching = source.watch(changed.set)
        try:
            return await self._send(request, source, changed)
        finally:
            stop_watching()
            del self._open[changed]
            self._metrics.streams_open(len(self._open))

    def close(self) -> None:
        """End all streams now."""
        self._closing = True
        for changed, request in self._open.items():
            changed.set()
            _drop_if_stuck(request)

    async def _send(self, request: web.Request, source: StreamSource, changed: asyncio.Event) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM, "Cache-Control": "no-store"})
        connection = request.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
        message = source.take() or b": hello\n\n"
        with suppress(ConnectionError):
            await response.prepare(request)
            while not self._closing:
                await self._write(request, response, message)
                message = await self._next(source, changed)
        return response

    async def _write(self, request: web.Request, response: web.StreamResponse, message: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                if message:
                    await response.write(message)
                await self._taken(request)
        except TimeoutError:
            _drop_if_stuck(request)
            raise ConnectionResetError("the client takes nothing") from None

    async def _next(self, source: StreamSource, changed: asyncio.Event) -> bytes:
        """What to send after the next change; a comment when nothing has changed for a while."""
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await changed.wait()
        except TimeoutError:
            return b": still here\n\n"
        changed.clear()
        return b"" if self._closing else source.take()

    async def _taken(self, request: web.Request) -> None:
        """Until the kernel has taken all that was written, so that nothing newer is made before."""
        transport = request.transport
        while transport is not None and transport.get_write_buffer_size() and not self._closing:
            await asyncio.sleep(DRAIN_CHECK_S)
            transport = request.transport


def _drop_if_stuck(request: web.Request) -> None:
    """A client that does not take what was sent would keep its connection, and our end, for ever."""
    transport = request.transport
    if transport is not None and transport.get_write_buffer_size():
        transport.abort()
