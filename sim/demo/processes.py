"""The demo's child processes: the agent under test and the cloud twin, each started as a user would start it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.errors import EnvironmentFault

__all__ = ["Child", "ChildFailed"]

READY_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.05


class ChildFailed(EnvironmentFault):
    """A child process did not start; `str()` has the end of its output."""


class Child:
    """One process (`python -m ARGUMENTS`), output in a file, ended with ours; `ready` tells whether it serves yet."""

    def __init__(
        self, arguments: Sequence[str], output: Path, ready: Callable[[], Awaitable[bool]], clock: Clock
    ) -> None:
        self._arguments = tuple(arguments)
        self._output = output
        self._ready = ready
        self._clock = clock
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The running process's id."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it, and return when it is ready.

        Raises:
            ChildFailed: when it ends, or is not ready within 30 s.
        """
        with self._output.open("ab") as output:
            bound = ("-m", "sim.demo.bound_child", str(os.getpid()))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *bound, *self._arguments, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )
        deadline_s = self._clock.monotonic_s() + READY_TIMEOUT_S
        while not await self._ready():
            if self._process.returncode is not None or self._clock.monotonic_s() > deadline_s:
                raise ChildFailed(f"{self._arguments[0]} did not start: {self.last_words().strip()}")
            await asyncio.sleep(POLL_S)

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM, and SIGKILL after 10 s; its exit code, 0 when it never ran."""
        return await self._end(signal.SIGTERM)

    def last_words(self) -> str:
        """The end of its output."""
        return self._output.read_text(encoding="utf-8", errors="replace")[-2_000:] or "it said nothing"

    async def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(how)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode
