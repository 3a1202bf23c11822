"""All benchmarks of the event log, one after the other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agent.clock import Clock
from sim.bench.figure import Figure
from sim.bench.log_agent import agent_figures
from sim.bench.log_append import append_figures
from sim.bench.log_backlog import Backlog

__all__ = ["log_benchmarks"]

RUN_SHARE: Final = 5  # a timed run has a fifth of the backlog's events
RUN_EVENTS_MAX: Final = 40_000  # as drafts, they are in memory before the clock starts


@contextmanager
def log_benchmarks(events: int, pairs: int, clock: Clock) -> Iterator[dict[str, Callable[[], Figure]]]:
    """What each name measures when it is called, within the block; `events` are the backlog."""
    run_events = min(events // RUN_SHARE, RUN_EVENTS_MAX)
    with TemporaryDirectory(prefix="storeforward-bench-") as folder:
        backlog = Backlog(Path(folder), events, clock)
        yield append_figures(run_events, pairs, clock) | agent_figures(backlog, run_events, pairs, clock)
