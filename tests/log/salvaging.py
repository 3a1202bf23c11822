"""Salvages a log's predecessor as the agent does, with a link that only remembers what it was asked."""

from collections.abc import Mapping

from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import CLOUD, EventLog, Place
from agent.log.damage.aside import OldLog, Progress
from agent.topics import DeviceName
from agent.upkeep.salvage import Salvage
from tests.log.world import SetClock, new_ids

__all__ = ["Link", "salvage"]


class Link:
    """Remembers what it was asked to send again, and moves the cursor as the link does."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.asked: dict[Stream, Place] = {}

    async def send_again(self, places: Mapping[Stream, Place]) -> None:
        self.asked = dict(places)
        for stream, place in places.items():
            await self._log.advance(CLOUD, stream, place)


async def salvage(log: EventLog) -> tuple[OldLog, Link]:
    clock, link = SetClock(), Link(log)
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=clock.wall, new_id=new_ids(7))
    (old,) = [old for old in log.old_logs() if old.progress is Progress.PENDING]
    return await Salvage(log, decoder, link.send_again, clock).salvage(old), link
