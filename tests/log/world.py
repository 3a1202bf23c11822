"""What every test of the log needs: a clock one can set, drafts by the handful, and a log that is closed again."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from agent.clock import IdFactory
from agent.device_events import EpochStarted
from agent.event_types import Stream
from agent.events import Draft, EventDecoder, Origin
from agent.log import START, EventLog, Place, StoredEvent
from agent.settings import LogSettings
from agent.topics import DeviceName

__all__ = [
    "NOON",
    "SetClock",
    "audit_event",
    "event",
    "events",
    "finish",
    "inline_log",
    "new_ids",
    "raw",
    "read_all",
    "stored_rows",
    "threaded_log",
]

Answer = TypeVar("Answer")
NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
BODIES: Final[dict[Stream, tuple[str, dict[str, Any]]]] = {  # Any: a JSON object
    Stream.SALES: ("pos.void.v1", {"till_id": "till-1", "basket_id": "b-1", "line": 1}),
    Stream.STOCK: ("stock.level.v1", {"sku": "1", "location": "shelf-1", "on_hand": "1"}),
    Stream.SENSOR: ("environment.v1", {"sensor_id": "fridge-2", "measure": "temperature", "value": 4.5, "unit": "Cel"}),
}


class SetClock:
    """A clock that stands where a test sets it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self.ticks = count()
        self.went_s = 0.0

    def wall(self) -> datetime:
        return self.now

    def monotonic_s(self) -> float:
        return self.went_s + next(self.ticks) / 1000

    def move(self, **timedelta_arguments: float) -> None:
        """Time goes by; it never goes back."""
        way = timedelta(**timedelta_arguments)
        assert way >= timedelta()
        self.now += way
        self.went_s += way.total_seconds()

    def jump(self, **timedelta_arguments: float) -> None:
        """Somebody sets the clock; no time goes by."""
        self.now += timedelta(**timedelta_arguments)


def new_ids(seed: int = 1) -> IdFactory:
    return IdFactory(lambda: NOON, Random(seed))


_decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=lambda: NOON, new_id=new_ids(2))


def event(
    event_id: str | None = None, *, stream: Stream = Stream.SALES, producer: str = "till-1", say: str = ""
) -> Draft:
    """One draft. `say` goes into its body: the same id that says something else is a conflict."""
    name, body = BODIES[stream]
    text = {"type": name, "data": {**body, **({next(iter(body)): say} if say else {})}}
    return _decoder.decode(json.dumps(text | ({"id": event_id} if event_id else {})).encode(), producer)[0]


def events(number: int, prefix: str = "e", *, stream: Stream = Stream.SALES, say: str = "") -> list[Draft]:
    """Drafts with the ids `e-1`, `e-2`, …"""
    return [event(f"{prefix}-{at}", stream=stream, say=say) for at in range(1, number + 1)]


def audit_event(event_id: str) -> Draft:
    """One draft that only the agent itself may write."""
    return _decoder.make(EpochStarted(epoch=event_id, reason="created"), "agent", event_id=event_id)


@contextmanager
def inline_log(
    folder: Path,
    clock: SetClock | None = None,
    *,
    seed: int = 1,
    **settings: Any,  # Any: of LogSettings
) -> Iterator[EventLog]:
    """`seed` makes the ids of epochs: another one, where a log gets a second epoch after being opened again."""
    log = EventLog.open_inline(folder, LogSettings(**settings), clock=clock or SetClock(), new_id=new_ids(seed))
    try:
        yield log
    finally:
        log.close_now()


@asynccontextmanager
async def threaded_log(
    folder: Path,
    clock: SetClock | None = None,
    **settings: Any,  # Any: of LogSettings
) -> AsyncIterator[EventLog]:
    log = EventLog.open(folder, LogSettings(**settings), clock=clock or SetClock(), new_id=new_ids())
    try:
        yield log
    finally:
        async with asyncio.timeout(20):
            await log.close()


def finish(work: Coroutine[Any, Any, Answer]) -> Answer:  # Any: as asyncio has it
    """The result of a coroutine that has nothing to wait for: the inline form commits before it returns."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    raise AssertionError("it waited")


def read_all(log: EventLog, stream: Stream = Stream.SALES, after: Place = START) -> list[StoredEvent]:
    """What a consumer gets that reads on until there is no more."""
    found: list[StoredEvent] = []
    while part := log.read(stream, found[-1].place if found else after, events_max=7, bytes_max=100_000):
        found += part
    return found


@contextmanager
def raw(log_or_file: EventLog | Path) -> Iterator[sqlite3.Connection]:
    """A connection of its own to the file, as an operator with `sqlite3` would have; commits by itself."""
    file = log_or_file.file if isinstance(log_or_file, EventLog) else log_or_file
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


def stored_rows(log_or_file: EventLog | Path) -> Sequence[tuple[Any, ...]]:  # Any: SQL values
    """Stream, epoch, sequence and id of every row of the file, by its view for people."""
    with raw(log_or_file) as connection:
        return connection.execute(
            "SELECT stream, epoch, sequence, id FROM event ORDER BY stream, epoch, sequence"
        ).fetchall()
