"""A log with every kind of page, ways to damage one, and what of its events a reader still gets, or is told."""

import asyncio
import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from agent.errors import EnvironmentFault, LogUnreadable
from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, START, EventLog, Place
from agent.settings import LogSettings
from tests.log.salvaging import salvage
from tests.log.world import SetClock, events, finish, inline_log, new_ids

__all__ = ["PAGE", "Damage", "Found", "Outcome", "damages", "page_kinds", "reopen", "sound_log"]

PAGE: Final = 4_096
STREAMS: Final = (Stream.SALES, Stream.STOCK)
_TREE_PAGES: Final = {2: "index interior", 5: "table interior", 10: "index leaf", 13: "table leaf"}


class WentBack(Exception):
    """A reader got again what it had: it would never end."""


class Outcome(StrEnum):
    """What became of a damaged log, from best to worst."""

    WHOLE = "whole"
    DECLARED = "damaged events are counted"
    REPLACED = "the file is kept aside, a new log began, and what was whole came back"
    REFUSED = "refused"
    GAP = "a gap in the sequence shows it"
    SILENT = "events at the end are missing, and nothing tells"
    FALSE = "handed out what nobody sent"
    TRACEBACK = "an error that blames nobody"


class Damage(NamedTuple):
    """What a file became, and how that is called."""

    name: str
    body: bytes


class Found(NamedTuple):
    outcome: Outcome
    detail: str


def sound_log(made: Path, killed: Path) -> dict[Stream, dict[Place, bytes]]:
    """Make one that was closed, and one as a killed agent leaves it, with its end in the -wal; the bodies of both."""
    clock = SetClock()
    with inline_log(made, clock) as log:
        for part in range(3):
            log.append_now([one for stream in STREAMS for one in events(120, f"{stream}-{part}", stream=stream)])
        for consumer in (CLOUD, DAY_CLOSE):
            finish(log.advance(consumer, Stream.SALES, Place(1, 150)))
        clock.move(days=4)
        while finish(log.prune()):
            pass
    with inline_log(made, clock) as log:
        log.append_now([one for stream in STREAMS for one in events(15, f"{stream}-last", stream=stream)])
        bodies = {stream: dict(_read(log, stream)) for stream in STREAMS}
        killed.mkdir()
        for name in ("events.sqlite", "events.sqlite-wal"):
            shutil.copyfile(made / name, killed / name)
    return bodies


def page_kinds(body: bytes) -> dict[int, str]:
    """The kind of each page of a database file with auto_vacuum, by its number from 1."""
    kinds = {}
    for number in range(1, len(body) // PAGE + 1):
        first = body[(number - 1) * PAGE + (100 if number == 1 else 0)]
        kinds[number] = _TREE_PAGES.get(first, "free")
    free, kinds[1], kinds[2] = int.from_bytes(body[32:36], "big"), "header", "pointer map"
    if free:
        kinds[free] = "free list"
    return kinds


def reopen(folder: Path, bodies: dict[Stream, dict[Place, bytes]]) -> Found:
    """Open a log that may be damaged and read all of it."""
    try:
        log = EventLog.open_inline(folder, LogSettings(), clock=SetClock(), new_id=new_ids(3))
    except EnvironmentFault as fault:
        named = "events.sqlite" in str(fault)
        return Found(Outcome.REFUSED if named else Outcome.TRACEBACK, f"at the start: {fault}")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return Found(Outcome.TRACEBACK, f"at the start: {error!r}")
    try:
        if log.old_logs():
            return _replaced(log, bodies)
        return max((_compare(log, stream, bodies[stream]) for stream in STREAMS), key=lambda one: _RANK[one.outcome])
    except Exception as error:  # noqa: BLE001 - as above
        return Found(Outcome.TRACEBACK, f"in reading: {error!r}")
    finally:
        log.close_now()


def _replaced(log: EventLog, bodies: dict[Stream, dict[Place, bytes]]) -> Found:
    """What was salvaged keeps its number of the epoch, as the new file had none."""
    asyncio.run(salvage(log))
    for stream in STREAMS:
        if false := [place for place, body in _read(log, stream) if bodies[stream].get(place) != body]:
            return Found(Outcome.FALSE, f"{stream} {false[:3]} after the salvage")
    return Found(Outcome.REPLACED, log.old_logs()[0].reason)


_RANK: Final = {outcome: number for number, outcome in enumerate(Outcome)}


def _compare(log: EventLog, stream: Stream, bodies: dict[Place, bytes]) -> Found:
    found: dict[Place, bytes] = {}
    refused = ""
    try:
        found.update(_read(log, stream))
    except LogUnreadable as fault:
        refused = str(fault)
    if false := [place for place, body in found.items() if bodies.get(place) != body]:
        return Found(Outcome.FALSE, f"{stream} {false[:3]}")
    missing = sorted(bodies.keys() - found.keys())
    if not missing:
        return Found(Outcome.WHOLE, "")
    if refused:
        return Found(Outcome.REFUSED, f"in reading {stream}: {refused}")
    if log.damaged_events >= len(missing):
        return Found(Outcome.DECLARED, f"{log.damaged_events} of {stream}")
    if missing[-1] < max(found, default=START) and missing[-1] < log.head(stream):
        return Found(Outcome.GAP, f"{len(missing)} of {stream} from {missing[0]}")
    return Found(Outcome.SILENT, f"{len(missing)} of {stream} from {missing[0]}, head {log.head(stream)}")


def _read(log: EventLog, stream: Stream) -> Iterator[tuple[Place, bytes]]:
    after = START
    while part := log.read(stream, after, events_max=200, bytes_max=1_000_000):
        for one in part:
            if one.place <= after:
                raise WentBack(f"after {after} of {stream} came {one.place}")
            yield one.place, one.body
            after = one.place


def damages(body: bytes, start: int, size: int, random: Random) -> Iterator[Damage]:
    """Ways in which a part of a file goes bad: one bit, a few bytes, nothing, all ones."""
    at = start + random.randrange(size)
    yield Damage(f"bit at {at - start}", _with(body, at, bytes([body[at] ^ 1 << random.randrange(8)])))
    at = start + random.randrange(min(size, 128))  # where a page's own description stands
    yield Damage(f"head bit at {at - start}", _with(body, at, bytes([body[at] ^ 1 << random.randrange(8)])))
    at = start + random.randrange(max(1, size - 16))
    yield Damage(f"noise at {at - start}", _with(body, at, random.randbytes(min(16, size))))
    yield Damage("zeros", _with(body, start, bytes(size)))
    yield Damage("ones", _with(body, start, b"\xff" * size))


def _with(body: bytes, at: int, change: bytes) -> bytes:
    change = change[: len(body) - at]
    return body[:at] + change + body[at + len(change) :]
