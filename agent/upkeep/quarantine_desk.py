"""What people do with quarantined events: see them, have another look at one, drop one for good."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from agent.device_events import Alert, EventsReleased
from agent.errors import CallerError
from agent.event_types import Stream
from agent.events import EventDecoder
from agent.log import Discard, EventLog, Place, QuarantinedRow, Release, repaired
from agent.producers import AGENT_PRODUCER

__all__ = ["NotQuarantined", "QuarantineDesk", "StillDamaged"]

SendAgain = Callable[[Mapping[Stream, Place]], Awaitable[None]]
"""Asks the link to send everything after these places once more."""

_NOTHING_GAINED: Final = "its bytes differ in more than one bit from what was written"


class NotQuarantined(CallerError):
    """No event with this number is in quarantine."""


class StillDamaged(CallerError):
    """The event cannot be made whole."""


class QuarantineDesk:
    """Serves the running agent's API."""

    def __init__(self, log: EventLog, decoder: EventDecoder, send_again: SendAgain) -> None:
        self._log = log
        self._decoder = decoder
        self._send_again = send_again

    async def rows(self) -> Sequence[QuarantinedRow]:
        """All that is in quarantine, oldest find first.

        Raises:
            LogUnreadable, StorageFailed: the log cannot be read there.
        """
        return await asyncio.to_thread(self._log.quarantined)

    async def row(self, number: int) -> QuarantinedRow:
        """One of them.

        Raises:
            NotQuarantined: there is none of this number.
        """
        found = next((row for row in await self.rows() if row.number == number), None)
        if found is None:
            raise NotQuarantined(f"no event is in quarantine under {number}: storeforward quarantine list")
        return found

    async def retry(self, number: int) -> QuarantinedRow:
        """Make an event whole, where one flipped bit is all that is wrong, and send it after all; what it was.

        Raises:
            NotQuarantined: as `row`.
            StillDamaged: more is wrong with it.
        """
        row = await self.row(number)
        body = await asyncio.to_thread(repaired, row)
        if body is None:
            raise StillDamaged(f"event {number} stays in quarantine: {_NOTHING_GAINED}")
        epoch, place = self._log.epoch_id(row.place.epoch), row.place
        told = EventsReleased(
            stream=row.stream, epoch=epoch, first_sequence=place.sequence, last_sequence=place.sequence
        )
        event_id = f"released-{row.stream}-{epoch}-{place.sequence}-{number}"
        draft = self._decoder.make(told, AGENT_PRODUCER, event_id=event_id)
        await self._log.append([draft], also=[Release(number, body)])
        await self._send_again({row.stream: Place(place.epoch, place.sequence - 1)})
        return row

    async def drop(self, number: int, by: str) -> QuarantinedRow:
        """Forget an event's damaged bytes for good; that it is lost was declared before. What it was.

        Raises:
            NotQuarantined: as `row`.
        """
        row = await self.row(number)
        message = f"{by} dropped the damaged event {row.stream} {row.place.sequence} of {self._epoch(row)}"
        alert = Alert(
            alert_id=f"dropped-{number}", kind="quarantine_dropped", severity="info", active=False, message=message
        )
        draft = self._decoder.make(alert, AGENT_PRODUCER)
        await self._log.append([draft], also=[Discard(number)])
        return row

    def _epoch(self, row: QuarantinedRow) -> str:
        return self._log.epoch_id(row.place.epoch)
