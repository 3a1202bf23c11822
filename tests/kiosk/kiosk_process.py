"""A real kiosk in a process of its own, offscreen, with hands: started as `storeforward kiosk` starts it."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

__all__ = ["KioskProcess", "running_kiosk"]

Json = Any  # Any: what json.loads returns
DEADLINE_S = 30.0


class KioskProcess:
    """What the kiosk painted last is in `painted`; every line it said is in `told`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.painted: Json = None
        self.kept_taps = 0
        self.kept_lines = 0
        self.told: list[Json] = []

    @classmethod
    async def start(cls, data: Path, *options: str, display: str = "") -> Self:
        arguments = ["agent", "kiosk", "--data", str(data), "--driven", *options]
        if not display:
            arguments.append("--offscreen")
        errors = (data.parent / "kiosk.log").open("ab")
        with errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
                env={**os.environ, "DISPLAY": display},
            )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def order(self, **what: Json) -> Json:
        """Sends one order; its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.heard(lambda line: line.get("did") == what["do"] or "refused" in line)

    async def shows(self, condition: Callable[[Json], bool]) -> Json:
        """What is painted, once it is so."""
        if self.painted is None or not condition(self.painted):
            await self.heard(lambda line: "painted" in line and condition(line["painted"]))
        return self.painted

    async def keeps(self, taps: int) -> None:
        """Once so many taps are on the disk."""
        if self.kept_taps != taps:
            await self.heard(lambda line: line.get("kept_taps") == taps)

    async def keeps_lines(self, lines: int) -> None:
        """Once a basket of so many lines is on the disk."""
        if self.kept_lines != lines:
            await self.heard(lambda line: line.get("kept_lines") == lines)

    async def heard(self, condition: Callable[[Json], bool]) -> Json:
        """The next line of which this is true."""
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while text := await self._process.stdout.readline():
                line = json.loads(text)
                self.told.append(line)
                self.painted = line.get("painted", self.painted)
                self.kept_taps = line.get("kept_taps", self.kept_taps)
                self.kept_lines = line.get("kept_lines", self.kept_lines)
                if condition(line):
                    return line
        raise AssertionError("the kiosk ended")

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()

    async def stop(self) -> int:
        """Closes its stdin, which ends it; its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.communicate(), DEADLINE_S)
        assert self._process.returncode is not None
        return self._process.returncode


@asynccontextmanager
async def running_kiosk(data: Path, *options: str, display: str = "") -> AsyncIterator[KioskProcess]:
    """A kiosk for the length of a block, offscreen or on an X display."""
    kiosk = await KioskProcess.start(data, *options, display=display)
    try:
        yield kiosk
    finally:
        await kiosk.kill()
