"""What a simulated shop's log holds, as it would be sent: tills, sensors and the back office of the invented day."""

import json
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from agent.clock import Clock, rfc3339
from agent.event_types import Stream
from agent.events import Draft, EventDecoder, Origin
from agent.log import START, EventLog
from agent.settings import LogSettings
from agent.topics import DeviceName
from sim.bench.log_work import timed_ids
from sim.sensors import sensor_actions
from sim.store.actions import SensorAction, TillAction
from sim.store.backoffice import backoffice_actions
from sim.store.schedule import schedule_tills
from sim.store.source import SourceOptions, open_source

__all__ = ["shop_bodies", "shop_drafts"]

DEVICE: Final = DeviceName("store-1", "box-1")
EVENTS_PER_COMMIT: Final = 500
EVENTS_PER_BASKET: Final = 12  # at the default rate of the sensors, or more
READ_BYTES_MAX: Final = 1 << 30


def shop_bodies(events: int, clock: Clock) -> dict[Stream, list[bytes]]:
    """The first events of the day by stream, each as the log stores it and the link sends it."""
    drafts = shop_drafts(events, clock)
    with TemporaryDirectory(prefix="storeforward-bench-") as folder:
        log = EventLog.open_inline(Path(folder), LogSettings(), clock=clock, new_id=timed_ids(clock))
        for at in range(0, len(drafts), EVENTS_PER_COMMIT):
            log.append_now(drafts[at : at + EVENTS_PER_COMMIT])
        found = {
            stream: [event.body for event in log.read(stream, START, events_max=events, bytes_max=READ_BYTES_MAX)]
            for stream in Stream
        }
        log.close_now()
    return {stream: bodies for stream, bodies in found.items() if bodies}


def shop_drafts(events: int, clock: Clock) -> list[Draft]:
    """The same, as the log takes them."""
    decoder = EventDecoder(Origin(DEVICE), wall=clock.wall, new_id=timed_ids(clock))
    return [decoder.decode(body, producer)[0] for producer, body in islice(_posted(events), events)]


def _posted(events: int) -> Iterator[tuple[str, bytes]]:
    """Who sends what, in the order of the day."""
    source = open_source(SourceOptions(baskets=max(1, events // EVENTS_PER_BASKET), dataset_folder=None))
    tills: list[Iterator[TillAction | SensorAction]] = [till.actions() for till in schedule_tills(source.baskets())]
    pseudonyms: dict[str, str] = {}
    random = Random(1)  # noqa: S311 - the same pseudonyms in every run
    for action in merge(*tills, sensor_actions(source), backoffice_actions(source), key=lambda one: one.at):
        event = {"type": action.type, "id": action.event_id, "time": rfc3339(action.at), "data": action.data}
        if isinstance(action, SensorAction):
            yield action.producer, json.dumps(event).encode()
            continue
        if action.raw_customer is not None:
            customer = pseudonyms.setdefault(action.raw_customer, f"p1:{random.getrandbits(128):032x}")
            event["data"] = action.data | {"customer_id": customer}
        yield action.till_id, json.dumps(event).encode()
