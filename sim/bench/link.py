"""All benchmarks of the link to the cloud, one after the other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.clock import Clock
from sim.bench.figure import Figure
from sim.bench.link_drain import drain_figures
from sim.bench.link_effort import LinkEffort
from sim.bench.link_latency import latency_figures
from sim.bench.link_storm import storm_figures

__all__ = ["link_benchmarks"]


@contextmanager
def link_benchmarks(effort: LinkEffort, clock: Clock) -> Iterator[dict[str, Callable[[], Figure]]]:
    """What each name measures when it is called, within the block."""
    with TemporaryDirectory(prefix="storeforward-bench-") as text:
        folder = Path(text)
        yield (
            drain_figures(folder, effort, clock)
            | storm_figures(folder, effort, clock)
            | latency_figures(folder, effort, clock)
        )
