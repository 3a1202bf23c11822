"""A real agent in a process of its own, as `storeforward run` starts it, for benchmarks."""

import os
import select
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent.clock import Clock
from agent.data_folder import DataFolder
from sim.bench.bench_processes import BenchFailed, end, line_of, start
from sim.process_memory import memory_mb

__all__ = ["AgentProcess"]

READY: Final = '"agent.ready"'
QUIET_S: Final = 1.0
QUIET_SHARE: Final = 0.05  # of a core: its timers go on
LOOK_S: Final = 0.1
QUIET_S_MAX: Final = 300.0
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class AgentProcess:
    """Ready once made; ends with the block."""

    def __init__(self, data: DataFolder, settings: str, clock: Clock) -> None:
        self._clock = clock
        data.path.mkdir(parents=True, exist_ok=True)
        config = data.path / "bench.toml"
        config.write_text(settings, encoding="utf-8")
        began_s = clock.monotonic_s()
        self._child = start("agent", "run", f"--config={config}", f"--data={data.path}")
        try:
            while READY not in line_of(self._child):
                pass
        except BenchFailed:
            end(self._child)
            raise
        self.ready_s: Final = clock.monotonic_s() - began_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end(self._child)

    def memory_mb(self, name: str) -> float:
        """A figure of proc_pid_status(5), such as VmRSS, in MB of a million octets."""
        taken_mb = memory_mb(self._child.pid, name)
        if taken_mb is None:
            raise BenchFailed(f"the agent has ended, or this kernel does not tell {name}")
        return taken_mb

    def wait_quiet(self) -> None:
        """Return when it does nothing but wait.

        Raises:
            BenchFailed: not within 300 s.
        """
        deadline_s = self._clock.monotonic_s() + QUIET_S_MAX
        while self._clock.monotonic_s() < deadline_s:
            before_s = self._busy_s()
            quiet_s = self._clock.monotonic_s() + QUIET_S
            while self._clock.monotonic_s() < quiet_s:
                select.select([], [], [], LOOK_S)
            if self._busy_s() - before_s < QUIET_S * QUIET_SHARE:
                return
        raise BenchFailed(f"the agent is still busy after {QUIET_S_MAX:.0f} s")

    def _busy_s(self) -> float:
        """Seconds of a core, its ended children among them (proc_pid_stat(5): utime, stime, cutime, cstime)."""
        fields = Path("/proc", str(self._child.pid), "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS_PER_S
