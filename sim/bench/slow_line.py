"""The simulator's network in a process of its own, between an agent and its broker, and how much it carried."""

import re
from typing import Final, Self

from sim.bench.bench_processes import BenchFailed, end, line_of, start
from sim.network import Profile

__all__ = ["SlowLine"]

PORT: Final = re.compile(r"listening on [\d.]+:(\d+)")
CARRIED: Final = re.compile(r"connections, ([\d,]+) bytes up")


class SlowLine:
    """A line to this port of loopback, until the block ends; then `bytes_up` is known."""

    def __init__(self, profile: Profile, to_port: int) -> None:
        self.bytes_up = 0
        self._child = start("sim.network", "--profile", profile.name, "--listen", 0, "--to", f"127.0.0.1:{to_port}")
        self.port: Final = int(_found(PORT, line_of(self._child)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        last_words = end(self._child)
        self.bytes_up = int(_found(CARRIED, last_words).replace(",", ""))


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise BenchFailed(f"the simulated network said {text.strip()!r}")
    return found[1]
