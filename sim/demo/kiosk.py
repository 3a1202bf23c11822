"""A kiosk of the demo: `storeforward kiosk` in a process of its own, with hands that tap as its staff would."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agent.errors import EnvironmentFault
from sim.demo.kiosk_watch import KioskTimes, KioskWatch
from sim.demo.painted import Painted, Said
from sim.process_memory import memory_mb

__all__ = ["Kiosk", "KioskFailed"]

START_TIMEOUT_S: Final = 30.0
ORDER_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 10.0
LAST_WORDS_CHARS: Final = 400


class KioskFailed(EnvironmentFault):
    """A kiosk could not be started or ended by itself; `str()` has the end of what it said."""


class Kiosk:
    """One kiosk and what it showed last. `start` it, `stop` it; it also ends with this process."""

    def __init__(self, till_id: str, arguments: Sequence[str], errors: Path, times: KioskTimes) -> None:
        self.till_id: Final = till_id
        self.watch: Final = KioskWatch(times)
        self.rss_max_mb: float | None = None
        """The most memory it took, once it was stopped."""
        self._arguments = tuple(arguments)
        self._errors = errors
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._done = 0
        self._down_s: float | None = None
        self._hand = asyncio.Lock()

    @property
    def painted(self) -> Painted | None:
        """The picture on the screen."""
        return self.watch.painted

    @property
    def pid(self) -> int | None:
        """The running process's id."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it, and return when its first picture is painted.

        Raises:
            KioskFailed
        """
        bound = ("-m", "sim.demo.bound_child", str(os.getpid()))
        with self._errors.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *bound, *self._arguments, stdin=PIPE, stdout=PIPE, stderr=errors
            )
        self._reading = asyncio.create_task(self._read(self._process), name=f"kiosk at {self.till_id}")
        if not await self.until(lambda: self.painted is not None, START_TIMEOUT_S):
            await self.stop()
            raise KioskFailed(f"the kiosk at {self.till_id} did not start: {self._last_words()}")

    async def stop(self) -> int:
        """Let it end; SIGKILL after 10 s. Its exit code."""
        process = self._process
        if process is None:
            return 0
        self.rss_max_mb = memory_mb(process.pid, "VmHWM")
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reading is not None:
            await self._reading
        assert process.returncode is not None
        return process.returncode

    async def tap(self, what: str, slot: int = 0) -> float | None:
        """A finger on a button; when it came down, None when the kiosk did not say."""
        return await self._order(do="tap", what=what, slot=slot)

    async def screenshot(self, file: Path) -> None:
        """What is on the screen, as a PNG."""
        await self._order(do="screenshot", file=str(file))

    async def send_all(self, timeout_s: float) -> None:
        """Wait until the agent has taken every tap, at most so long."""
        await self.until(lambda: self.watch.kept_taps == 0, timeout_s)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something the kiosk says makes this true; False after the time, or when the kiosk ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not condition():
                    if self._reading is None or self._reading.done():
                        return False
                    news = self._news
                    await news.wait()
        return condition()

    async def _order(self, **order: str | int) -> float | None:
        async with self._hand:
            assert self._process is not None
            assert self._process.stdin is not None
            before, self._down_s = self._done, None
            with suppress(ConnectionError):  # it ended: `until` says so
                self._process.stdin.write(json.dumps(order).encode() + b"\n")
                await self._process.stdin.drain()
            await self.until(lambda: self._done > before, ORDER_TIMEOUT_S)
            return self._down_s

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                with suppress(ValidationError):  # a line that is none of the kiosk's own
                    self._hear(Said.model_validate_json(line))
        finally:
            self._tell()

    def _hear(self, said: Said) -> None:
        self.watch.hear(said)
        if said.did:
            self._done += 1
            self._down_s = said.down_s
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _last_words(self) -> str:
        said = self._errors.read_text(encoding="utf-8", errors="replace").strip()
        return said[-LAST_WORDS_CHARS:] or "it said nothing"
