"""One direction of one connection: takes bytes at one end and hands them over at the other, when they are due."""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from enum import Enum
from random import Random
from typing import Final

from sim.network.faults import Meddler, Parcel, Then
from sim.network.quality import PERFECT, SEGMENT_OCTETS_MAX, Pace
from sim.network.way import Way

__all__ = ["Flow"]

CHUNK_OCTETS_MAX: Final = 65_536
PARCELS_MAX: Final = 64
"""On the way at a time: about the 90 kB that a TCP window has; beyond it the sender waits."""


class _Ending(Enum):
    FIN = 0
    RESET = 1


class Flow:
    """Carries until its source ends, then hands over that end too; a fault of either end is raised."""

    def __init__(
        self,
        way: Way,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seed: str,
        trapped: Callable[[Then], None],
    ) -> None:
        """`trapped` is told when the connection is to fall silent."""
        self.silent = False
        """What comes in from now on does not arrive, not even the end; what was on its way does."""
        self._way = way
        self._reader = reader
        self._writer = writer
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose
        self._trapped = trapped
        # Packets have their own: how many segments there are does not change what happens to them.
        self._meddler = Meddler(way.faults, Random(f"{seed} packets"))  # noqa: S311 - as above
        self._pace = Pace(way.quality, way.bottleneck, self._random)
        self._parcels: list[tuple[float, int, bytes | _Ending]] = []
        self._order = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Returns when the source's end has arrived.

        Raises:
            ConnectionError: an end is gone, or the connection is to be reset.
        """
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def fall_silent(self) -> None:
        """Lose everything that comes in from now on."""
        self.silent = True

    async def _read(self) -> None:
        try:
            while chunk := await self._reader.read(CHUNK_OCTETS_MAX):
                for parcel in self._meddler.pass_on(chunk):
                    if isinstance(parcel, Then):
                        await self._spring(parcel)
                    else:
                        await self._send(parcel)
        except ConnectionError:
            if not self.silent:
                raise
        self._put(self._pace.arrival_s(0, self._now_s()), _Ending.FIN)

    async def _spring(self, then: Then) -> None:
        if then is Then.RESET:
            self._put(self._pace.arrival_s(0, self._now_s()), _Ending.RESET)
            await asyncio.Event().wait()  # for the reset
        self._trapped(then)

    async def _send(self, parcel: Parcel) -> None:
        for segment in self._segments(parcel.octets):
            while len(self._parcels) >= PARCELS_MAX:
                self._room.clear()
                await self._room.wait()
            if self.silent:
                return
            if parcel.late_s:  # whoever comes later does not wait for it
                self._put(self._pace.arrival_s(0, self._now_s()) + parcel.late_s, segment)
            else:
                self._put(self._pace.arrival_s(len(segment), self._now_s()), segment)

    def _segments(self, octets: bytes) -> Iterator[bytes]:
        quality = self._way.quality
        if quality == PERFECT:
            yield octets
            return
        for begin in range(0, len(octets), SEGMENT_OCTETS_MAX):
            segment = octets[begin : begin + SEGMENT_OCTETS_MAX]
            flips = quality.flips and self._random.random() < quality.flips
            yield self._flipped(segment) if flips else segment

    def _flipped(self, segment: bytes) -> bytes:
        changed = bytearray(segment)
        changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def _put(self, at_s: float, what: bytes | _Ending) -> None:
        self._order += 1
        heapq.heappush(self._parcels, (at_s, self._order, what))
        self._changed.set()

    async def _write(self) -> None:
        while True:
            await self._way.open.wait()
            octets = await self._next()
            await self._way.open.wait()
            if octets is _Ending.FIN:
                return
            if octets is _Ending.RESET:
                raise ConnectionResetError("a reset was asked for")
            self._writer.write(octets)
            await self._writer.drain()
            self._way.octets += len(octets)

    async def _next(self) -> bytes | _Ending:
        """What is due next, when it is."""
        while True:
            self._changed.clear()
            wait_s = self._parcels[0][0] - self._now_s() if self._parcels else None
            if wait_s is not None and wait_s <= 0:
                what = heapq.heappop(self._parcels)[2]
                self._room.set()
                return what
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
