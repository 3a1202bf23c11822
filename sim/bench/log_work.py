"""The work of the log's benchmarks: events as a shop has them, and eight producers that append them."""

import asyncio
import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

from agent.clock import Clock, IdFactory
from agent.events import Draft, EventDecoder, Origin
from agent.log import EventLog
from agent.settings import LogSettings
from agent.topics import DeviceName

__all__ = [
    "EVENTS_PER_CALL",
    "PRODUCERS",
    "SIZE_BYTES_MAX",
    "AppendRun",
    "EventMaker",
    "append_all",
    "append_concurrently",
    "open_log",
    "random_ids",
    "spaced_ids",
    "timed_ids",
]

PRODUCERS: Final = 8
EVENTS_PER_CALL: Final = 100
SIZE_BYTES_MAX: Final = 1 << 40

_LINE: Final = {
    "line": 1,
    "sku": "1082185",
    "gtin": "2000000000008",
    "description": "Bananas 1 kg",
    "quantity": "1.250",
    "actual_unit_price": "1.49",
}
_TILL: Final = {"till_id": "till-3", "basket_id": "b-1001", "currency": "EUR", "operator_id": "op-7"}
_SCAN: Final = {"type": "pos.scan.v1", "data": {**_TILL, **_LINE, "entry_method": "scanned"}}
_SALE: Final = {
    "type": "pos.sale.v1",
    "data": {
        **_TILL,
        "business_day": "2017-03-05",
        "items": [{**_LINE, "line": line, "extended_amount": "1.86"} for line in (1, 2)],
        "total": "3.72",
        "tenders": [{"tender_type": "cash", "amount": "3.72"}],
        "customer_id": "p1:0123456789abcdef0123456789abcdef",
    },
}
_LEVEL: Final = {"type": "stock.level.v1", "data": {"sku": "1082185", "location": "shelf-12", "on_hand": "34.5"}}
_EVENTS: Final[Sequence[dict[str, Any]]] = (_SCAN, _SCAN, _SALE, _LEVEL)  # Any: JSON


def timed_ids(clock: Clock) -> Callable[[], str]:
    """UUIDv7, as the agent makes them."""
    return IdFactory(clock.wall, Random(7))  # noqa: S311 - the same ids but for their time


def spaced_ids(clock: Clock) -> Callable[[], str]:
    """UUIDv7 with a millisecond between one and the next, as events have that come one at a time."""
    began, spaced = clock.wall(), count()
    return IdFactory(lambda: began + timedelta(milliseconds=next(spaced)), Random(7))  # noqa: S311 - as above


def random_ids(seed: int) -> Callable[[], str]:
    """UUIDv4, as many producers make them."""
    random = Random(seed)  # noqa: S311 - the same ids in every run
    return lambda: str(UUID(int=random.getrandbits(128), version=4))


class EventMaker:
    """Makes scans, sales and stock levels, each with an id of its own; `new_id` decides which kind."""

    def __init__(self, clock: Clock, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=new_id)

    def bodies(self, events: int) -> list[bytes]:
        """What producers would post: arrays of 100 events."""
        return [
            json.dumps(list(self._events(min(EVENTS_PER_CALL, events - at)))).encode()
            for at in range(0, events, EVENTS_PER_CALL)
        ]

    def lines(self, events: int) -> list[bytes]:
        """The same events, each for itself."""
        return [json.dumps(event).encode() for event in self._events(events)]

    def drafts(self, events: int) -> list[Draft]:
        """The same events, decoded."""
        return [draft for body in self.bodies(events) for draft in self._decoder.decode(body, "till-1")]

    def _events(self, events: int) -> Iterator[dict[str, Any]]:  # Any: JSON
        for index in range(events):
            yield _EVENTS[index % len(_EVENTS)] | {"id": self._new_id()}


@dataclass(frozen=True, slots=True)
class AppendRun:
    """How fast it was, and which drafts shared each commit."""

    events_per_s: float
    commits: list[Sequence[Draft]] = field(repr=False)


def open_log(folder: Path, clock: Clock) -> EventLog:
    """A log with a writer thread and room for any backlog, inside a running event loop."""
    return EventLog.open(folder, LogSettings(size_bytes_max=SIZE_BYTES_MAX), clock=clock, new_id=timed_ids(clock))


def append_all(folder: Path, drafts: Sequence[Draft], clock: Clock) -> AppendRun:
    """Producers append the drafts, 100 a call, each its next once the last is on the disk."""

    async def run() -> AppendRun:
        log = open_log(folder, clock)
        commits: list[Sequence[Draft]] = []
        log.add_listener(commits.append)
        with _no_garbage():
            began_s = clock.monotonic_s()
            await append_concurrently(log, drafts)
            took_s = clock.monotonic_s() - began_s
        await log.close()
        return AppendRun(len(drafts) / took_s, commits)

    return asyncio.run(run())


async def append_concurrently(log: EventLog, drafts: Sequence[Draft]) -> None:
    """The producers' work in an event loop that runs already."""
    calls = iter([drafts[at : at + EVENTS_PER_CALL] for at in range(0, len(drafts), EVENTS_PER_CALL)])

    async def produce() -> None:
        for call in calls:
            await log.append(call)

    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Drafts that a benchmark made before are out of the collector's sight: an agent holds few at a time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
