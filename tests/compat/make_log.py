"""Makes a log file as the code on the path leaves it, for later versions to be held against.

`python tests/compat/make_log.py FOLDER` with an earlier version's sources first on `PYTHONPATH` writes
`FOLDER/events.sqlite` and `FOLDER/expected.json`: what a delivery of the unsent events has to bring.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from agent.clock import IdFactory
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import CLOUD, EventLog, JournalEntry, Place
from agent.settings import LogSettings
from agent.topics import DeviceName

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
BODIES: Final[dict[str, dict[str, Any]]] = {  # Any: JSON
    "pos.void.v1": {"till_id": "till-1", "basket_id": "b-1", "line": 1},
    "stock.level.v1": {"sku": "1", "location": "shelf-1", "on_hand": "1"},
    "environment.v1": {"sensor_id": "fridge-2", "measure": "temperature", "value": 4.5, "unit": "Cel"},
}


class SteadyClock:
    """A clock that goes on by a second with each look, from a fixed noon."""

    def __init__(self) -> None:
        self.seconds = 0

    def wall(self) -> datetime:
        self.seconds += 1
        return NOON + timedelta(seconds=self.seconds)

    def monotonic_s(self) -> float:
        return float(self.seconds)


async def fill(log: EventLog, decoder: EventDecoder) -> None:
    """Two epochs of three streams; the cloud has acknowledged a part of the first."""
    for round_number in range(40):
        for name, body in BODIES.items():
            event = {"type": name, "id": f"{name}-{round_number}", "data": body}
            log.append_now(
                decoder.decode(json.dumps(event).encode(), "till-1"),
                [JournalEntry("mission-agv-1", round_number, b'{"step": 1}')] if round_number == 3 else [],
            )
        if round_number == 20:
            await log.advance(CLOUD, Stream.SALES, Place(1, 10))
            await log.advance(CLOUD, Stream.STOCK, Place(1, 21))
        if round_number == 29:
            await log.start_epoch("behind_ledger")


def unsent(log: EventLog) -> list[list[str | int]]:
    """Stream, epoch, sequence and id of every event that the cloud's cursor has not passed."""
    found: list[list[str | int]] = []
    for stream in Stream:
        after = log.cursor(CLOUD, stream)
        while part := log.read(stream, after, events_max=100, bytes_max=1_000_000):
            found += [[stream.value, log.epoch_id(one.place.epoch), one.place.sequence, one.id] for one in part]
            after = part[-1].place
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    clock = SteadyClock()
    new_id = IdFactory(clock.wall, Random(7))
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=new_id)
    log = EventLog.open_inline(folder, LogSettings(), clock=clock, new_id=new_id)
    asyncio.run(fill(log, decoder))
    expected = json.dumps({"unsent": unsent(log)})
    log.close_now()
    (folder / "expected.json").write_text(expected, encoding="utf-8")


if __name__ == "__main__":
    main()
