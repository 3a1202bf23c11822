"""How fast a backlog leaves: an agent's whole way to a broker, to a ledger behind it, and over a slow line."""

import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from agent.clock import Clock
from agent.event_types import Stream
from sim.bench.bare_publisher import WINDOW
from sim.bench.bench_processes import BenchFailed, Told, broker_process
from sim.bench.figure import Figure, paired
from sim.bench.link_backlog import LinkBacklog
from sim.bench.link_effort import LinkEffort
from sim.bench.slow_line import SlowLine
from sim.cloud.schema import open_ledger_reader
from sim.network import PROFILES

__all__ = ["drain_figures"]

BARE_EVENTS_MAX: Final = 20_000  # a rate does not need more
LOOK_S: Final = 0.05
COUNTED_S_MAX: Final = 600.0
BARE: Final = f"bare paho, one event a publish, QoS 1, window {WINDOW}, the same bodies"
COUNTED: Final = "SELECT stream, sum(counted) FROM streams GROUP BY stream"


def drain_figures(folder: Path, effort: LinkEffort, clock: Clock) -> dict[str, Callable[[], Figure]]:
    """What each name measures when it is called."""
    large = _Drains(folder / "drain", effort.events, clock)
    ledger = _Drains(folder / "ledger", effort.ledger_events, clock)
    slow = _Drains(folder / "slow", effort.slow_events, clock)
    return {
        "drain": partial(large.to_broker, effort.pairs),
        "drain_to_ledger": partial(ledger.to_ledger, effort.pairs),
        "drain_3g": partial(slow.over_3g, effort.slow_pairs),
    }


class _Drains:
    """One backlog that leaves again and again."""

    def __init__(self, folder: Path, events: int, clock: Clock) -> None:
        self._folder = folder
        self._events = events
        self._clock = clock

    @cached_property
    def _backlog(self) -> LinkBacklog:
        self._folder.mkdir(exist_ok=True)
        return LinkBacklog(self._folder, self._events, self._clock)

    def to_broker(self, pairs: int) -> Figure:
        """Until the log's file says that the broker has acknowledged everything."""
        took_s, taken = [], []
        with broker_process(self._folder / "broker") as broker:
            backlog = self._backlog
            sample = backlog.sample(BARE_EVENTS_MAX)
            for _ in range(pairs):
                with backlog.leaving(broker.port) as first:
                    took_s.append(backlog.wait_forwarded() - first.came_s)
                with Told("sim.bench.bare_publisher", "rate", broker.port, sample.file) as bare:
                    taken.append((backlog.events / took_s[-1], sample.events / bare.value()["took_s"]))
        note = (
            f"{backlog.events:,} events of {sample.mean_bytes:.0f} bytes are gone in {median(took_s):.1f} s, from the "
            "first batch until all is acknowledged and the cursors are in the file; mosquitto on loopback, nobody "
            f"subscribes, decisions on; ceiling: {BARE}, to the same broker"
        )
        return paired("drain", "events/s", taken, note)

    def to_ledger(self, pairs: int) -> Figure:
        """Until, besides, a ledger has stored and counted everything."""
        backlog = self._backlog
        sample, taken = backlog.sample(BARE_EVENTS_MAX), []
        for _ in range(pairs):
            with self._ledger() as (port, ledger), backlog.leaving(port) as first:
                backlog.wait_forwarded()
                value = backlog.events / (self._counted_s(ledger, backlog.counts) - first.came_s)
            with (
                self._ledger() as (port, ledger),
                Told("sim.bench.bare_publisher", "rate", port, sample.file) as bare,
            ):
                began_s = bare.value()["began_s"]
                taken.append((value, sample.events / (self._counted_s(ledger, sample.counts) - began_s)))
        note = (
            f"{backlog.events:,} events, from the first batch until all is acknowledged, the cursors are in the file, "
            f"and the cloud twin's ledger has counted all, on the same machine; ceiling: {BARE}, to such a ledger"
        )
        return paired("drain_to_ledger", "events/s", taken, note)

    def over_3g(self, pairs: int) -> Figure:
        """Over the simulator's 3G, beside what that line carries of such events."""
        backlog, profile = self._backlog, PROFILES["3g"]
        mean_bytes, used, taken = backlog.sample(backlog.events).mean_bytes, [], []
        carried_per_s = profile.up.bits_per_s / 8
        with broker_process(self._folder / "broker") as broker:
            for _ in range(pairs):
                with SlowLine(profile, broker.port) as line, backlog.leaving(broker.port, line.port) as first:
                    took_s = backlog.wait_forwarded() - first.came_s
                used.append((line.bytes_up - first.size_bytes) / took_s / carried_per_s)
                # Here the first batch is a part that counts, and it was on its way before the clock began.
                behind_it = backlog.events - first.size_bytes / mean_bytes
                taken.append((behind_it / took_s, carried_per_s / mean_bytes))
        note = (
            f"{profile.about}; {backlog.events:,} events; ceiling: the line's {carried_per_s:,.0f} bytes/s over the "
            f"{mean_bytes:.0f} bytes of an event as stored, so compression can pass it; of the line, packets and all, "
            f"{median(used):.0%} were used"
        )
        return paired("drain_3g", "events/s", taken, note)

    @contextmanager
    def _ledger(self) -> Iterator[tuple[int, Path]]:
        """A broker's port and the ledger behind it; both know nothing yet."""
        with TemporaryDirectory(dir=self._folder) as text, broker_process(Path(text)) as broker:
            file = Path(text, "ledger.sqlite")
            with Told("sim.cloud", "--json", "--port", broker.port, "--ledger", file) as twin:
                twin.value()
                yield broker.port, file

    def _counted_s(self, ledger: Path, counts: Mapping[Stream, int]) -> float:
        """The moment at which the ledger has counted so many of each stream; it is looked at every 50 ms."""
        deadline_s = self._clock.monotonic_s() + COUNTED_S_MAX
        with closing(open_ledger_reader(ledger)) as reader:
            while (now_s := self._clock.monotonic_s()) < deadline_s:
                counted: dict[str, Any] = dict(reader.execute(COUNTED))  # Any: what SQLite holds
                if all(counted.get(stream, 0) >= count for stream, count in counts.items()):
                    return now_s
                select.select([], [], [], LOOK_S)
        raise BenchFailed(f"the ledger has not counted everything within {COUNTED_S_MAX:.0f} s")
