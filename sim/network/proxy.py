"""A TCP proxy that stands for the network between a device and its broker, and can fail like one."""

import asyncio
import socket
import struct
from enum import StrEnum
from functools import partial
from typing import Final, Self

from sim.network.faults import PacketFaults, Then
from sim.network.flow import Flow
from sim.network.quality import PERFECT, LineQuality
from sim.network.way import Direction, Way

__all__ = ["FaultProxy", "LineState"]

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close sends RST (RFC 9293, 3.10.4 ABORT)


class LineState(StrEnum):
    """What the line does with bytes."""

    UP = "up"
    CUT = "cut"  # connections are reset, new ones as well
    BLACK_HOLE = "black_hole"  # nothing passes, in one direction or both, and nobody is told


class FaultProxy:
    """Carries connections from `host`:`port` (loopback; port 0: the system chooses) to the target while it is up.

    What a seed decides for the n-th segment or packet of a connection is the same in each run; how the peers' bytes
    are cut into segments, and when they come, is not.
    """

    def __init__(
        self,
        target_host: str,
        target_port: int,
        *,
        port: int = 0,
        up: LineQuality = PERFECT,
        down: LineQuality = PERFECT,
        seed: int = 0,
    ) -> None:
        self.host: Final = "127.0.0.1"
        self.port = port
        self.state = LineState.UP
        self.connections = 0
        self._target = (target_host, target_port)
        self._seed = seed
        self._ways = {Direction.UP: Way(up), Direction.DOWN: Way(down)}
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

    @property
    def bytes_up(self) -> int:
        """Handed over to the target."""
        return self._ways[Direction.UP].octets

    @property
    def bytes_down(self) -> int:
        """Handed over to whoever connected."""
        return self._ways[Direction.DOWN].octets

    def faults(self, direction: Direction) -> PacketFaults:
        """What happens to MQTT packets in a direction; may be changed at any time."""
        return self._ways[direction].faults

    def cut(self) -> None:
        """Resets every connection, and each new one at once."""
        self.state = LineState.CUT
        for carrier in self._carriers:
            carrier.cancel()

    def black_hole(self, *directions: Direction) -> None:
        """Keeps connections open, and takes new ones, but carries nothing: no byte, no FIN, no RST.

        Without a direction both ways are closed; with one, the other is open.
        """
        self.restore()
        self.state = LineState.BLACK_HOLE
        for direction in directions or Direction:
            self._ways[direction].open.clear()

    def restore(self) -> None:
        """Carries again; what a black hole held back arrives, as TCP would send it again."""
        self.state = LineState.UP
        for way in self._ways.values():
            way.open.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.state is LineState.CUT:
            _reset(writer)
            return
        carrier = asyncio.create_task(self._carry(reader, writer, self.connections), name="proxy connection")
        self._carriers.add(carrier)
        carrier.add_done_callback(self._carriers.discard)
        carrier.add_done_callback(lambda done: _reset(writer) if done.cancelled() else None)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await self._ways[Direction.UP].open.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        flows: dict[Direction, Flow] = {}
        for direction, source, sink in (
            (Direction.UP, reader, far_writer),
            (Direction.DOWN, far_reader, writer),
        ):
            fall_silent = partial(_fall_silent, flows, direction)
            seed = f"{self._seed} {number} {direction}"
            flows[direction] = Flow(self._ways[direction], source, sink, seed, fall_silent)
        await _join(list(flows.values()), (writer, far_writer))


def _fall_silent(flows: dict[Direction, Flow], trapped: Direction, then: Then) -> None:
    for direction, flow in flows.items():
        if then is Then.SILENCE or direction is not trapped:
            flow.fall_silent()


async def _join(flows: list[Flow], ends: tuple[asyncio.StreamWriter, ...]) -> None:
    """Until one end is gone, and the other has been told or was never to know."""
    carrying = {asyncio.create_task(flow.run(), name="proxy flow"): flow for flow in flows}
    ended_by_peer = False
    try:
        done, still = await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
        if still and all(carrying[flow].silent for flow in done):
            done, _ = await asyncio.wait(still)
        ended_by_peer = all(flow.exception() is None for flow in done)
    finally:
        for task in carrying:
            task.cancel()
        for end in ends:
            if ended_by_peer:
                end.close()
            else:
                _reset(end)
        await asyncio.gather(*carrying, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    wire = writer.get_extra_info("socket")
    if wire is not None and wire.fileno() >= 0:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
