"""Publishes as an agent makes them, and a look into the ledger's tables, for the tests of the cloud twin."""

import json
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from agent.event_types import TYPE_PREFIX
from agent.topics import Topic, parse_topic
from sim.cloud.ledger import Ledger
from sim.cloud.schema import open_ledger_reader
from tests.examples import EXAMPLES

__all__ = [
    "DEVICE",
    "EPOCH",
    "FixedClock",
    "batch",
    "day_closed",
    "day_range",
    "declaration",
    "declare",
    "event",
    "events_topic",
    "rows",
    "sales",
]

DEVICE: Final = "store-1/box-1"
EPOCH: Final = "01900000-0000-7000-8000-000000000001"


class FixedClock:
    """A clock that stands still."""

    def monotonic_s(self) -> float:
        return 12.5

    def wall(self) -> datetime:
        return datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def events_topic(stream: str = "sales", device: str = DEVICE) -> Topic:
    return parse_topic(f"sf/v1/{device}/evt/{stream}")


def event(
    sequence: int,
    *,
    type_name: str = "pos.scan.v1",
    stream: str = "sales",
    event_id: str | None = None,
    data: Any = None,
    epoch: str = EPOCH,
    device: str = DEVICE,
    producer: str = "till-3",
) -> dict[str, Any]:
    """One stored event as it is published; its id follows from its place unless it is given."""
    return {
        "specversion": "1.0",
        "id": event_id or f"{stream}-{epoch[-4:]}-{sequence}",
        "source": f"/{device}/{producer}",
        "type": TYPE_PREFIX + type_name,
        "time": "2026-11-21T10:00:00.000Z",
        "datacontenttype": "application/json",
        "stream": stream,
        "data": EXAMPLES[type_name] if data is None else data,
        "sequence": f"{sequence:012d}",
        "epoch": epoch,
        "recordedtime": "2026-11-21T10:00:00.010Z",
        "clocksynced": True,
    }


def batch(*events: dict[str, Any]) -> bytes:
    return json.dumps(events).encode()


def sales(ledger: Ledger, sequences: Iterable[int], *, device: str = DEVICE, epoch: str = EPOCH) -> None:
    """Publishes scans at these sequences, one publish for all."""
    scans = (event(sequence, device=device, epoch=epoch) for sequence in sequences)
    ledger.accept(events_topic(device=device), batch(*scans))


def day_range(first: int, last: int, **changes: Any) -> dict[str, Any]:
    """One stream's part of a day close over events with the ids that `event` gives."""
    digest = sha256("".join(f"{number}:sales-{EPOCH[-4:]}-{number}\n" for number in range(first, last + 1)).encode())
    return {
        "stream": "sales",
        "epoch": EPOCH,
        "first_sequence": first,
        "last_sequence": last,
        "count": last - first + 1,
        "shed": 0,
        "parked": 0,
        "sha256": digest.hexdigest(),
    } | changes


def day_closed(ledger: Ledger, sequence: int, day: str, *ranges: dict[str, Any]) -> None:
    """Publishes one day close on the audit stream."""
    closed = event(
        sequence,
        type_name="audit.day_closed.v1",
        stream="audit",
        data={"business_day": day, "ranges": list(ranges)},
        producer="agent",
    )
    ledger.accept(events_topic("audit"), batch(closed))


def declaration(
    sequence: int, word: str, first: int, last: int, *, stream: str = "sales", epoch: str = EPOCH, **changes: Any
) -> dict[str, Any]:
    """An audit event that says `shed`, `quarantined` or `released` of a range."""
    name = f"audit.events_{word}.v1"
    span = {"stream": stream, "epoch": epoch, "first_sequence": first, "last_sequence": last}
    data = EXAMPLES[name] | span | changes
    return event(sequence, type_name=name, stream="audit", data=data, producer="agent")


def declare(ledger: Ledger, sequence: int, word: str, first: int, last: int, **where: str) -> None:
    """Publishes one such event on the audit stream."""
    ledger.accept(events_topic("audit"), batch(declaration(sequence, word, first, last, **where)))


def rows(file: Path, query: str, *values: str | int) -> list[tuple[Any, ...]]:
    """What anyone with sqlite3 and the file would see."""
    with closing(open_ledger_reader(file)) as connection:
        return connection.execute(query, values).fetchall()
