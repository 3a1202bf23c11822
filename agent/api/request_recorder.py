"""Ends till requests when their time is over, and stores how each one ended; what the log refuses is tried again."""

import asyncio
import logging
from typing import Final

from agent.clock import Clock
from agent.errors import EnvironmentFault, IdConflict
from agent.events import EventDecoder
from agent.log import EventLog
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER
from agent.tills.till_requests import TillRequest, TillRequests

__all__ = ["RequestRecorder"]

RETRY_S: Final = 1.0

logger = logging.getLogger(__name__)


class RequestRecorder:
    """The clock and the pen of the till requests."""

    def __init__(self, requests: TillRequests, log: EventLog, decoder: EventDecoder, clock: Clock) -> None:
        self._requests = requests
        self._log = log
        self._decoder = decoder
        self._clock = clock
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is a new request to keep the time of."""
        self._wake.set()

    async def record(self, ended: TillRequest) -> None:
        """Store how a request ended, if that is not stored yet.

        Raises:
            EnvironmentFault: when the log does not take it now; it is tried again.
        """
        if not self._requests.is_unrecorded(ended.request_id):
            return
        draft = self._decoder.make(ended.event(), AGENT_PRODUCER, event_id=f"till-request:{ended.request_id}")
        try:
            await self._log.append([draft])
        except EnvironmentFault:
            self._wake.set()
            raise
        except IdConflict:  # another end of it was stored before a restart: the first one stands
            log_event(logger, logging.WARNING, "till_request.ended_twice", "a till request had ended before")
        self._requests.recorded(ended.request_id)

    async def run(self) -> None:
        """Keeps the time until cancelled."""
        while True:
            self._requests.expire(self._clock.monotonic_s())
            stored = await self._record_all()
            await self._rest(None if stored else RETRY_S)

    async def _record_all(self) -> bool:
        for ended in self._requests.unrecorded:
            try:
                await self.record(ended)
            except EnvironmentFault as fault:
                log_event(logger, logging.WARNING, "till_request.not_stored", f"will try again: {fault}")
                return False
        return True

    async def _rest(self, retry_s: float | None) -> None:
        """Until the next request expires, a new one comes, or it is time to try again."""
        next_end_s = self._requests.next_end_s
        waits_s = [] if retry_s is None else [retry_s]
        if next_end_s is not None:
            waits_s.append(max(0.0, next_end_s - self._clock.monotonic_s()))
        if retry_s is not None:
            self._wake.clear()
        try:
            async with asyncio.timeout(min(waits_s, default=None)):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()
