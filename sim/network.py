"""A TCP proxy that stands for the network between an agent and its broker, and can fail like one."""

import asyncio
import socket
import struct
from enum import StrEnum
from typing import Final, Self

__all__ = ["FaultProxy", "LineState"]

CHUNK_BYTES_MAX: Final = 65_536
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close sends RST (RFC 9293, 3.10.4 ABORT)


class LineState(StrEnum):
    """What the line does with bytes."""

    UP = "up"
    CUT = "cut"  # connections are reset, new ones as well
    BLACK_HOLE = "black_hole"  # nothing passes and nobody is told


class FaultProxy:
    """Carries connections from `host`:`port` (chosen by the system, loopback) to the target while the line is up."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self.host: Final = "127.0.0.1"
        self.port = 0
        self.state = LineState.UP
        self.connections = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self._target = (target_host, target_port)
        self._passing = asyncio.Event()
        self._passing.set()
        self._carriers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        carriers = list(self._carriers)
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)

    @property
    def open_connections(self) -> int:
        """Connections being carried now, those in a black hole included."""
        return len(self._carriers)

    def cut(self) -> None:
        """Resets every connection, and each new one at once."""
        self.state = LineState.CUT
        for carrier in self._carriers:
            carrier.cancel()

    def black_hole(self) -> None:
        """Keeps connections open, and takes new ones, but carries nothing: no byte, no FIN, no RST."""
        self.state = LineState.BLACK_HOLE
        self._passing.clear()

    def restore(self) -> None:
        """Carries again; what a black hole held back arrives, as TCP would send it again."""
        self.state = LineState.UP
        self._passing.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.state is LineState.CUT:
            _reset(writer)
            return
        carrier = asyncio.create_task(self._carry(reader, writer), name="proxy connection")
        self._carriers.add(carrier)
        carrier.add_done_callback(self._carriers.discard)
        carrier.add_done_callback(lambda done: _reset(writer) if done.cancelled() else None)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
        else:
            await self._join(reader, writer, far_reader, far_writer)

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer, up=True), name="proxy up"),
            asyncio.create_task(self._pump(far_reader, writer, up=False), name="proxy down"),
        ]
        ended_by_peer = False
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            ended_by_peer = all(pump.exception() is None for pump in done)
        finally:
            for pump in pumps:
                pump.cancel()
            for side in (writer, far_writer):
                if ended_by_peer:
                    side.close()
                else:
                    _reset(side)
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while True:
            await self._passing.wait()
            chunk = await reader.read(CHUNK_BYTES_MAX)
            await self._passing.wait()
            if not chunk:
                return
            writer.write(chunk)
            await writer.drain()
            if up:
                self.bytes_up += len(chunk)
            else:
                self.bytes_down += len(chunk)


def _reset(writer: asyncio.StreamWriter) -> None:
    wire = writer.get_extra_info("socket")
    if wire is not None and wire.fileno() >= 0:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
