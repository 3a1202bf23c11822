"""A log that waits to be forwarded, as often as a benchmark needs it: filled once, its cursors put back each time.

Its agent has learned from the backlog before, as one has whose shop sold on while the network was away.
"""

import select
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from agent.clock import Clock
from agent.event_types import Stream
from agent.log import CLOUD, START, Place
from agent.log.reading.look import LogLook
from agent.topics import Channel, DeviceName
from sim.bench.agent_process import AgentProcess
from sim.bench.bare_publisher import line_for
from sim.bench.bench_processes import BenchFailed, Told
from sim.bench.log_backlog import Backlog
from sim.bench.log_work import SIZE_BYTES_MAX

__all__ = ["NAME", "FirstBatch", "LinkBacklog", "Sample", "agent_settings"]

NAME: Final = DeviceName("store-1", "box-1")
LOOK_S: Final = 0.05
FORWARDED_S_MAX: Final = 1_800.0
FORGET_CURSORS: Final = "DELETE FROM cursor WHERE consumer = ?"


def agent_settings(port: int = 0) -> str:
    """An agent that forwards to this port of loopback, or with 0 to nobody; all else as shipped."""
    link = f"port = {port}" if port else "enabled = false"
    return f"[link]\n{link}\n[log]\nsize_bytes_max = {SIZE_BYTES_MAX}\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of a backlog's events for the bare publisher, as they are stored."""

    file: Path
    counts: Mapping[Stream, int]
    mean_bytes: float

    @property
    def events(self) -> int:
        return sum(self.counts.values())


class FirstBatch(NamedTuple):
    """When the broker had it, and its payload's size. What is timed is all behind it."""

    came_s: float
    size_bytes: int


class LinkBacklog:
    """One agent's folder with so many events that the cloud lacks. It is filled at its first use."""

    def __init__(self, folder: Path, events: int, clock: Clock) -> None:
        self.events: Final = events
        self._folder = folder
        self._clock = clock
        self._data = Backlog(folder, events, clock).filled()
        with LogLook(self._file) as look:
            self._heads = {stream: head for stream in Stream if (head := look.state.head(stream)) > START}
        with AgentProcess(self._data, agent_settings(), clock) as agent:
            agent.wait_quiet()

    @property
    def counts(self) -> Mapping[Stream, int]:
        """How many events each stream of it has."""
        return {stream: head.sequence for stream, head in self._heads.items()}

    @contextmanager
    def leaving(self, broker_port: int, through_port: int = 0) -> Iterator[FirstBatch]:
        """An agent that forwards it all, maybe through another port, until the block ends."""
        with closing(sqlite3.connect(self._file)) as log, log:
            log.execute(FORGET_CURSORS, (CLOUD,))
        with Told("sim.bench.listener", "first", broker_port) as listener:
            listener.value()
            with AgentProcess(self._data, agent_settings(through_port or broker_port), self._clock):
                yield FirstBatch(*listener.value())

    def wait_forwarded(self) -> float:
        """The moment at which the file says that all was acknowledged; it is looked at every 50 ms.

        Raises:
            BenchFailed: not within half an hour.
        """
        deadline_s = self._clock.monotonic_s() + FORWARDED_S_MAX
        with LogLook(self._file) as look:
            while (now_s := self._clock.monotonic_s()) < deadline_s:
                if all(look.state.cursor(CLOUD, stream) >= head for stream, head in self._heads.items()):
                    return now_s
                select.select([], [], [], LOOK_S)
                look.refresh()
        raise BenchFailed(f"the agent has not forwarded everything within {FORWARDED_S_MAX:.0f} s")

    def sample(self, events: int) -> Sample:
        """So many of its events, each stream's share of them."""
        with LogLook(self._file) as look:
            bodies = {
                stream: list(islice(_bodies(look, stream, head), max(1, events * head.sequence // self.events)))
                for stream, head in self._heads.items()
            }
        file = self._folder / "sample"
        lines = [line_for(NAME.topic(Channel.EVENTS, stream), body) for stream, of in bodies.items() for body in of]
        file.write_bytes(b"".join(lines))
        counts = {stream: len(of) for stream, of in bodies.items()}
        return Sample(file, counts, sum(len(body) for of in bodies.values() for body in of) / sum(counts.values()))

    @property
    def _file(self) -> Path:
        return self._data.log / "events.sqlite"


def _bodies(look: LogLook, stream: Stream, upto: Place) -> Iterator[bytes]:
    place = START
    while events := look.after(stream, place, upto):
        yield from (event.body for event in events)
        place = events[-1].place
