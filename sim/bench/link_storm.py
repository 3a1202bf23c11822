"""What a broker meets that comes back: the links of a hundred shops, beside as many that wait a fixed time."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from typing import Final

from agent.clock import Clock
from sim.bench.bench_processes import Told, broker_process
from sim.bench.figure import Figure, paired
from sim.bench.link_effort import LinkEffort

__all__ = ["connects_per_s_max", "storm_figures"]

LINKS: Final = 100
PROCESSES: Final = range(4)
PER_PROCESS: Final = LINKS // len(PROCESSES)
BACKOFF_MIN_S: Final = 0.5  # the link's own default


@dataclass(frozen=True, slots=True)
class _Outage:
    """As long as it takes: with the 60 s that a link may wait as shipped, a run would need two minutes of it."""

    backoff_max_s: float

    @property
    def length_s(self) -> float:
        """Nearly all waits have then grown to the longest: those before add up to as much at the mean."""
        return 2 * self.backoff_max_s

    @property
    def fixed_s(self) -> float:
        """A fixed wait that asks as often as the grown waits do."""
        return self.backoff_max_s / 2


@dataclass(frozen=True, slots=True)
class _Return:
    """How the links came back once the broker was there again."""

    per_s_max: int
    all_back_s: float


def storm_figures(folder: Path, effort: LinkEffort, clock: Clock) -> dict[str, Callable[[], Figure]]:
    """What the name measures when it is called."""
    outage = _Outage(effort.backoff_max_s)
    return {"reconnect_storm": partial(_reconnect_storm, folder, outage, effort.slow_pairs, clock)}


def connects_per_s_max(moments: Sequence[float]) -> int:
    """The most that lie within any one second."""
    ordered = sorted(moments)
    return max((sum(moment < first + 1.0 for moment in ordered[at:]) for at, first in enumerate(ordered)), default=0)


def _reconnect_storm(folder: Path, outage: _Outage, pairs: int, clock: Clock) -> Figure:
    storms = [_storm(folder, outage, clock) for _ in range(pairs)]
    ours_s, fixed_s = (median(back.all_back_s for back in side) for side in zip(*storms, strict=True))
    note = (
        f"lower is better; most connects in any one second, of {LINKS} links whose broker was away for "
        f"{outage.length_s:g} s; waits with full jitter, growing from {BACKOFF_MIN_S:g} to {outage.backoff_max_s:g} s "
        f"(60 as shipped, for which a run would need an outage of two minutes), all back after {ours_s:.1f} s; "
        f"ceiling: as many links in the same outage with a fixed wait of {outage.fixed_s:g} s, as often at the mean, "
        f"all back after {fixed_s:.1f} s"
    )
    return paired("reconnect_storm", "connects/s", [(ours.per_s_max, fixed.per_s_max) for ours, fixed in storms], note)


def _storm(folder: Path, outage: _Outage, clock: Clock) -> tuple[_Return, _Return]:
    """With jitter, and with a fixed wait."""
    with (
        TemporaryDirectory(dir=folder) as text,
        broker_process(Path(text, "broker")) as broker,
        ExitStack() as fleets,
    ):
        waits = ((BACKOFF_MIN_S, outage.backoff_max_s, "jitter"), (outage.fixed_s, outage.fixed_s, "fixed"))
        members = [
            [fleets.enter_context(Told("sim.bench.link_fleet", text, broker.port, PER_PROCESS, *of)) for _ in PROCESSES]
            for of in waits
        ]
        for member in chain.from_iterable(members):
            member.value()
        broker.kill()
        Event().wait(outage.length_s)
        back_s = clock.wall().timestamp()
        asyncio.run(broker.start())
        moments = [list(chain.from_iterable(member.value() for member in of)) for of in members]
    ours, fixed = (_Return(connects_per_s_max(of), max(of) - back_s) for of in moments)
    return ours, fixed
