"""How fast the log appends, each figure beside its ceiling from the same run: `python -m tests.bench_log`.

Prints one JSON row per figure: `{name, value, unit, ceiling, ratio, note}`. TMPDIR chooses the disk.
"""

import asyncio
import json
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from agent.clock import IdFactory, SystemClock, rfc3339
from agent.events import Draft, EventDecoder, Origin, close_event, event_ending
from agent.log import EventLog
from agent.settings import LogSettings
from agent.topics import DeviceName
from tests.examples import EXAMPLES

__all__ = ["main"]

PAIRS: Final = 7
PRODUCERS: Final = 8
EVENTS_PER_CALL: Final = 100
EVENTS: Final = 32_000
LONELY: Final = 200
TYPES: Final = ("pos.scan.v1", "pos.scan.v1", "pos.sale.v1", "stock.level.v1")


@dataclass(frozen=True)
class Run:
    """One measured run: events a second, and how many events shared a commit."""

    events_per_s: float
    batch: int


def make_drafts(events: int, new_id: Callable[[], str]) -> list[Draft]:
    clock = SystemClock()
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=new_id)
    bodies = [json.dumps({"type": name, "data": EXAMPLES[name]}).encode() for name in TYPES if name in EXAMPLES]
    return [decoder.decode(bodies[index % len(bodies)], "till-1")[0] for index in range(events)]


def bodies_of(drafts: list[Draft]) -> list[bytes]:
    """The bytes that the log stores for these drafts."""
    ending = event_ending("0" * 36, rfc3339(datetime.now(UTC)), clock_synced=True)
    return [close_event(draft.opening, at, ending) for at, draft in enumerate(drafts, 1)]


def bare(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, body BLOB)")
    return connection


def commit_bare(connection: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO event (id, body) VALUES (?, ?)", rows)
    connection.execute("COMMIT")


def run_bare(folder: Path, bodies: list[bytes], batch: int) -> Run:
    connection = bare(folder)
    rows = list(enumerate(bodies))
    started = time.perf_counter()
    for start in range(0, len(rows), batch):
        commit_bare(connection, rows[start : start + batch])
    took = time.perf_counter() - started
    connection.close()
    return Run(len(bodies) / took, batch)


async def run_log(folder: Path, drafts: list[Draft], new_id: Callable[[], str]) -> Run:
    log = EventLog.open(folder, LogSettings(), clock=SystemClock(), new_id=new_id)
    commits: list[int] = []
    log.add_listener(lambda new: commits.append(len(new)))
    calls = iter([drafts[at : at + EVENTS_PER_CALL] for at in range(0, len(drafts), EVENTS_PER_CALL)])

    async def produce() -> None:
        for call in calls:
            await log.append(call)

    started = time.perf_counter()
    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
    took = time.perf_counter() - started
    await log.close()
    return Run(len(drafts) / took, round(statistics.mean(commits)))


def measure_batches(new_id: Callable[[], str], events: int) -> dict[str, object]:
    runs: list[tuple[Run, Run]] = []
    for _ in range(PAIRS):
        drafts = make_drafts(events, new_id)
        bodies = bodies_of(drafts)
        with TemporaryDirectory() as folder:
            ours = asyncio.run(run_log(Path(folder), drafts, new_id))
            runs.append((ours, run_bare(Path(folder), bodies, ours.batch)))
    ours_s, bare_s = (statistics.median(run.events_per_s for run in side) for side in zip(*runs, strict=True))
    ratio = statistics.median(ours.events_per_s / ceiling.events_per_s for ours, ceiling in runs)
    batch = round(statistics.median(ours.batch for ours, _ in runs))
    body_bytes = round(statistics.mean(map(len, bodies)))
    note = f"{PRODUCERS} producers x {EVENTS_PER_CALL}, {batch} events a commit, {body_bytes} bytes an event"
    return row("append_batch", ours_s, "events/s", bare_s, ratio, note)


async def measure_lonely() -> dict[str, object]:
    """Single appends and single bare commits in turn, so that both meet the same disk."""
    started_ms = count(int(time.time() * 1000))  # each id a millisecond later, as lonely events are
    new_id = IdFactory(lambda: datetime.fromtimestamp(next(started_ms) / 1000, UTC), Random(1))
    drafts = make_drafts(LONELY * PAIRS, new_id)
    with TemporaryDirectory() as text:
        folder = Path(text)
        log = EventLog.open(folder, LogSettings(), clock=SystemClock(), new_id=new_id)
        connection = bare(folder)
        ours, ceiling = [], []
        for draft, numbered in zip(drafts, enumerate(bodies_of(drafts)), strict=True):
            started = time.perf_counter()
            await log.append([draft])
            appended = time.perf_counter()
            commit_bare(connection, [numbered])
            ceiling.append((time.perf_counter() - appended) * 1000)
            ours.append((appended - started) * 1000)
        connection.close()
        await log.close()
    value, bound = statistics.median(ours), statistics.median(ceiling)
    return row("append_single", value, "ms p50", bound, value / bound, "one event, one producer")


def row(name: str, value: float, unit: str, ceiling: float, ratio: float, note: str) -> dict[str, object]:
    return {"name": name, "value": round(value, 3), "unit": unit, "ceiling": round(ceiling, 3),
            "ratio": round(ratio, 3), "note": note}  # fmt: skip


def main() -> None:
    """Measure and print."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    new_id = IdFactory(lambda: datetime.now(UTC), Random(1))
    print(json.dumps(measure_batches(new_id, events)))
    print(json.dumps(asyncio.run(measure_lonely())))


if __name__ == "__main__":
    main()
