"""An agent on a Unix socket that misbehaves on demand: garbage, server errors, silence, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from agent.clock import SystemClock
from kiosk.documents import Vehicles
from tests.kiosk.scenes import basket, decision, status, vehicle

__all__ = ["BadAgent", "bad_agent"]

Json = Any  # Any: what json.loads returns
HOSTILE_JSON: Final = (b"", b"<html>502</html>", b"[]", b'{"decision_id": 7}', b"\xff\xfe", b'{"items": [[[[', b"null")


class BadAgent:
    """`fault` is what answers look like: `none`, `garbage`, `500`, `silence`; streams have a `stream_fault`."""

    def __init__(self) -> None:
        self.fault = "none"
        self.stream_fault = "none"
        self.posted: list[tuple[str, Json]] = []
        self.streams = 0
        self.stop_fault = "none"
        self.stops: list[tuple[float, asyncio.Transport, Json]] = []
        """When a stop came, on which connection, and what it said."""
        self._answers = 0
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let go of whoever waits."""
        self._ending.set()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The till's basket, once, and then the connection stays open."""
        self.streams += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        message = basket(self.streams).model_dump_json()
        if self.stream_fault == "garbage":
            message = "{]"
        await response.write(f"event: basket\ndata: {message}\n\n".encode())
        if self.stream_fault == "endless":
            for _ in range(20):
                await response.write(b"data: " + b"x" * 100_000 + b"\n")
        await self._ending.wait()
        return response

    async def stop(self, request: web.Request) -> web.StreamResponse:
        """A stop of all vehicles."""
        body = await request.json()
        assert request.transport is not None
        self.stops.append((SystemClock().monotonic_s(), request.transport, body))
        match self.stop_fault:
            case "silence":
                await self._ending.wait()
            case "500":
                return web.Response(status=500)
            case "refusal":
                return web.Response(status=403, body=b'{"type": "x:not_yours", "detail": "not yours"}')
        return self._vehicles(stopped=True)

    def _vehicles(self, *, stopped: bool) -> web.Response:
        standing = vehicle(1, stopped=stopped, acknowledged=stopped)
        return web.Response(body=Vehicles(vehicles=(standing,)).model_dump_json().encode())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Everything else."""
        self._answers += 1
        match self.fault:
            case "silence":
                await self._ending.wait()
            case "500":
                return web.Response(status=500, text="Traceback (most recent call last)")
            case "garbage":
                return web.Response(body=HOSTILE_JSON[self._answers % len(HOSTILE_JSON)])
        return await self._good(request)

    async def _good(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            body = await request.json()
            self.posted.append((request.path, body))
            if request.path == "/v1/decisions":
                return web.Response(body=decision("101", "102", "103", "104").model_dump_json().encode())
            if request.path.endswith("/requests"):
                return web.Response(body=json.dumps({"request_id": body["request_id"], "state": "pending"}).encode())
            return web.Response(status=201, body=b"{}")
        if request.path == "/v1/status":
            return web.Response(body=status(vehicles=1).model_dump_json().encode())
        if request.path == "/v1/agvs":
            return self._vehicles(stopped=bool(self.stops))
        return web.Response(status=404, body=b'{"type": "x:unknown", "detail": "no"}')


@asynccontextmanager
async def bad_agent(socket: Path) -> AsyncIterator[BadAgent]:
    """One such agent for the length of a block."""
    agent = BadAgent()
    application = web.Application()
    application.router.add_get("/v1/baskets/{till}", agent.stream)
    application.router.add_post("/v1/agvs/stop", agent.stop)
    application.router.add_route("*", "/{path:.*}", agent.answer)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield agent
    finally:
        agent.end()
        await runner.cleanup()
