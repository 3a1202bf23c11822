"""One event as a row of a table: what every event has in columns, what its type has as one JSON text."""

import json
from typing import Final, NamedTuple

from agent.events import data_text

__all__ = ["COLUMNS", "FlatEvent", "flat_event"]


class FlatEvent(NamedTuple):
    """A row; times are RFC 3339 in UTC."""

    stream: str
    epoch: str
    sequence: int
    id: str
    type: str
    source: str
    time: str
    recorded_time: str
    clock_synced: bool
    data: str


COLUMNS: Final = FlatEvent._fields


def flat_event(body: bytes) -> FlatEvent:
    """The row of a stored CloudEvent."""
    told = json.loads(body)
    return FlatEvent(
        stream=told["stream"],
        epoch=told["epoch"],
        sequence=int(told["sequence"]),
        id=told["id"],
        type=told["type"],
        source=told["source"],
        time=told["time"],
        recorded_time=told["recordedtime"],
        clock_synced=told["clocksynced"],
        data=data_text(body).decode(),
    )
