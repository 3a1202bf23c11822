"""Makes durable what the outbox parks and what comes off that list, each in one commit with its word to the ledger."""

import logging
from collections.abc import Iterator
from typing import Final, Literal

from agent.clock import Clock
from agent.device_events import EventsParked, EventsReleased
from agent.event_types import Stream
from agent.events import EventDecoder
from agent.link.batch import Parking
from agent.link.outbox import Outbox
from agent.link.parking import ParkedRange, Release
from agent.link.reasons import BREAKS_CONNECTION, PACKET_TOO_LARGE, reason_name
from agent.log import EventLog, Park, Place, Span, Unpark
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER

__all__ = ["ParkingDesk", "parked_ranges"]

_REASONS: Final[dict[int, Literal["too_large", "breaks_connection"]]] = {
    PACKET_TOO_LARGE: "too_large",
    BREAKS_CONNECTION: "breaks_connection",
}

_log = logging.getLogger(__name__)


def parked_ranges(log: EventLog) -> Iterator[ParkedRange]:
    """What a log knows as parked."""
    for stream in Stream:
        for gap in log.gaps(stream):
            if gap.parked_code is not None:
                yield ParkedRange(stream, Place(gap.epoch, gap.first), Place(gap.epoch, gap.last), gap.parked_code)


class ParkingDesk:
    """Between one outbox and one log."""

    def __init__(self, log: EventLog, outbox: Outbox, decoder: EventDecoder, clock: Clock) -> None:
        self._log = log
        self._outbox = outbox
        self._decoder = decoder
        self._clock = clock
        self._parkings: list[Parking] = []
        self._releases: list[Release] = []

    async def settle(self) -> None:
        """Make durable all that came up; what could not be stays for the next call.

        Raises:
            EnvironmentFault: the log cannot be written.
        """
        self._parkings += self._outbox.take_parkings()
        while self._parkings:
            await self._park(self._parkings[0])
            self._outbox.parked_durably(self._parkings.pop(0), self._clock.monotonic_s())
        self._releases += self._outbox.take_releases()
        while self._releases:
            await self._release(self._releases[0])
            del self._releases[0]

    async def _park(self, parking: Parking) -> None:
        stream, code = parking.stream, parking.code
        span = Span(parking.last.epoch, parking.first.sequence, parking.last.sequence)
        told = EventsParked(
            stream=stream,
            epoch=self._log.epoch_id(span.epoch),
            first_sequence=span.first,
            last_sequence=span.last,
            reason=_REASONS.get(code, "refused"),
            code=code,
        )
        await self._log.append([self._decoder.make(told, AGENT_PRODUCER)], also=[Park(stream, span, code)])
        why = "the connection broke each time it was sent" if code == BREAKS_CONNECTION else reason_name(code)
        message = f"{stream} {span.first} to {span.last} are left behind, as the broker does not take them: {why}"
        log_event(_log, logging.ERROR, "link.parked", message, code=code)

    async def _release(self, release: Release) -> None:
        """Of what is still parked: the rest was found damaged in the meantime, which is declared."""
        stream = release.stream
        run = Span(release.last.epoch, release.first.sequence, release.last.sequence)
        for gap in [gap for gap in self._log.gaps(stream) if gap.parked_code is not None and gap.within(run)]:
            span = Span(run.epoch, max(gap.first, run.first), min(gap.last, run.last))
            epoch = self._log.epoch_id(span.epoch)
            told = EventsReleased(stream=stream, epoch=epoch, first_sequence=span.first, last_sequence=span.last)
            await self._log.append([self._decoder.make(told, AGENT_PRODUCER)], also=[Unpark(stream, span)])
            message = f"{stream} {span.first} to {span.last} were parked, and are delivered after all"
            log_event(_log, logging.INFO, "link.unparked", message)
