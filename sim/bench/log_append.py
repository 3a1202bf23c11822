"""How fast the log appends in one process, beside what SQLite alone takes for the same rows."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Final

from agent.clock import Clock
from agent.events import close_event, event_ending
from sim.bench.figure import Figure, paired
from sim.bench.log_ceilings import bare_file, bare_rows, commit_bare, commit_rows, same_schema_file, stored_rows
from sim.bench.log_work import (
    EVENTS_PER_CALL,
    PRODUCERS,
    AppendRun,
    EventMaker,
    append_all,
    open_log,
    random_ids,
    spaced_ids,
    timed_ids,
)

__all__ = ["append_figures"]

LONELY: Final = 150
BARE: Final = "ceiling: executemany of id and body, same bytes, same commits, FULL"
SAME: Final = "ceiling: executemany of the same rows into the same tables and indexes, same commits, FULL"


def append_figures(events: int, pairs: int, clock: Clock) -> dict[str, Callable[[], Figure]]:
    """What each name measures when it is called; `events` an append run."""
    batches = _Batches(events, pairs, clock)
    return {
        "append_batch": partial(batches.figure, "append_batch", timed_ids(clock), BARE, _bare),
        "append_batch_same_schema": partial(
            batches.figure, "append_batch_same_schema", timed_ids(clock), SAME, _same_schema
        ),
        "append_batch_random_ids": partial(batches.figure, "append_batch_random_ids", random_ids(4), BARE, _bare),
        "append_single": partial(_append_single, pairs, clock),
    }


class _Batches:
    """Runs of eight producers, each beside a ceiling."""

    def __init__(self, events: int, pairs: int, clock: Clock) -> None:
        self._events = events
        self._pairs = pairs
        self._clock = clock

    def figure(
        self, name: str, new_id: Callable[[], str], against: str, ceiling: Callable[[Path, AppendRun, Clock], float]
    ) -> Figure:
        maker = EventMaker(self._clock, new_id)
        pairs: list[tuple[float, float]] = []
        batches: list[float] = []
        for _ in range(self._pairs):
            with TemporaryDirectory(prefix="storeforward-bench-") as text:
                run = append_all(Path(text), maker.drafts(self._events), self._clock)
                pairs.append((run.events_per_s, ceiling(Path(text), run, self._clock)))
                batches.append(mean(map(len, run.commits)))
        note = f"{against}; {PRODUCERS} producers x {EVENTS_PER_CALL}, {median(batches):.0f} events a commit"
        return paired(name, "events/s", pairs, note)


def _bare(folder: Path, run: AppendRun, clock: Clock) -> float:
    rows = bare_rows(stored_rows(folder / "events.sqlite", run.commits))
    with bare_file(folder) as connection:
        return commit_rows(connection, rows, clock)


def _same_schema(folder: Path, run: AppendRun, clock: Clock) -> float:
    rows = stored_rows(folder / "events.sqlite", run.commits)
    with same_schema_file(folder, folder / "events.sqlite") as connection:
        return commit_rows(connection, rows, clock)


def _append_single(pairs: int, clock: Clock) -> Figure:
    """Single appends and single bare commits in turn, so that both meet the same disk."""
    taken = asyncio.run(_single_pairs(pairs, clock))
    note = f"lower is better; p50 of {LONELY} events, one at a time; ceiling: p50 of a bare FULL commit in between"
    return paired("append_single", "ms", taken, note)


async def _single_pairs(pairs: int, clock: Clock) -> list[tuple[float, float]]:
    taken = []
    with TemporaryDirectory(prefix="storeforward-bench-") as text:
        log = open_log(Path(text), clock)
        with bare_file(Path(text)) as bare:
            ending = event_ending("0" * 36, "2017-03-05T10:00:00.000Z", clock_synced=True)
            number, maker = 0, EventMaker(clock, spaced_ids(clock))
            for _ in range(pairs):
                ours_ms, bare_ms = [], []
                for draft in maker.drafts(LONELY):
                    number += 1
                    began_s = clock.monotonic_s()
                    await log.append([draft])
                    between_s = clock.monotonic_s()
                    commit_bare(bare, number, close_event(draft.opening, number, ending))
                    bare_ms.append((clock.monotonic_s() - between_s) * 1000)
                    ours_ms.append((between_s - began_s) * 1000)
                taken.append((median(ours_ms), median(bare_ms)))
        await log.close()
    return taken
