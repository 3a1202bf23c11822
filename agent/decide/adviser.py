"""Decisions as one part of the agent: answers in time or not at all, and stores what was decided and how it went."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from agent.clock import Clock, rfc3339
from agent.decide.decision import Decision, DecisionRequest
from agent.decide.desk import AnswerDesk
from agent.decide.engine import DecisionEngine
from agent.decide.exposure import DecisionPlace, ExposureBoard
from agent.errors import EnvironmentFault
from agent.event_types import DecisionItem, KioskDecision
from agent.events import Draft, EventDecoder
from agent.last_store import store_until_cancelled
from agent.log import EventLog
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER

__all__ = ["Adviser"]

UNSTORED_MAX: Final = 1_000
STORED_AT_ONCE_MAX: Final = 100
RETRY_AFTER_S: Final = 1.0
SCORE_DIGITS: Final = 6
MS: Final = 1_000.0

logger = logging.getLogger(__name__)


class Adviser:
    """Asks at the desk, within each question's deadline. `run` and `keep_in_memory` until cancelled; then `close`."""

    def __init__(
        self,
        learned_file: Path,
        catalogue_file: Path,
        log: EventLog,
        decoder: EventDecoder,
        *,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self.exposures: Final = ExposureBoard()
        self._log = log
        self._decoder = decoder
        self._clock = clock
        self._new_id = new_id
        self._desk = AnswerDesk(learned_file, catalogue_file, clock)
        self._unstored: deque[Draft] = deque()
        self._work = asyncio.Event()
        log.add_listener(self.exposures.on_commit)

    async def decide(
        self,
        *,
        till_id: str,
        basket_id: str | None,
        skus: tuple[str, ...],
        customer: str | None,
        slots: int,
        deadline_ms: int,
    ) -> Decision:
        """The answer, counted from now; after the deadline it is without items and says `late`.

        Raises:
            DecisionsBusy: when too many questions wait.
            LearnedUnreadable, CatalogueUnreadable: when a file cannot be read.
        """
        request = DecisionRequest(
            self._new_id(), till_id, basket_id, skus, customer, slots, deadline_ms, self._clock.monotonic_s()
        )
        place = DecisionPlace(till_id, basket_id, customer, rfc3339(self._clock.wall())[:10])
        decision = await self._ask(request, place)
        self.exposures.made(decision.decision_id, place)
        self._store(decision, place)
        return decision

    async def run(self) -> None:
        """Stores decisions in their order; what the disk refuses is tried again. Cancelled, it ends within 2 s."""
        try:
            await store_until_cancelled(self._work, self._store_all)
        finally:
            if self._unstored:
                text = f"{len(self._unstored)} decisions were not stored before the end"
                log_event(logger, logging.ERROR, "decide.lost", text)

    async def keep_in_memory(self) -> None:
        """Keeps what answers are made from in memory, so that none waits for the disk."""
        await self._desk.keep_in_memory()

    async def close(self) -> None:
        """Let the last question end, and let go of the files."""
        await self._desk.close()

    async def _ask(self, request: DecisionRequest, place: DecisionPlace) -> Decision:
        exposure = self.exposures.of(place)

        def answer(engine: DecisionEngine) -> Decision:
            if self._is_late(request):
                return Decision(request.decision_id, (), "none", took_ms=0.0)
            return engine.decide(request, exposure)

        decision = await self._desk.ask(answer)
        took_ms = (self._clock.monotonic_s() - request.arrived_s) * MS
        if self._is_late(request):
            return replace(decision, items=(), took_ms=took_ms, late=True)
        return replace(decision, took_ms=took_ms)

    def _is_late(self, request: DecisionRequest) -> bool:
        return (self._clock.monotonic_s() - request.arrived_s) * MS > request.deadline_ms

    async def _store_all(self) -> None:
        while self._unstored:
            some = list(islice(self._unstored, STORED_AT_ONCE_MAX))
            try:
                await self._log.append(some)
            except EnvironmentFault as fault:
                log_event(logger, logging.WARNING, "decide.not_stored", f"will try again: {fault}")
                await asyncio.sleep(RETRY_AFTER_S)
                continue
            for _ in some:
                self._unstored.popleft()

    def _store(self, decision: Decision, place: DecisionPlace) -> None:
        if len(self._unstored) >= UNSTORED_MAX:
            log_event(logger, logging.ERROR, "decide.lost", "a decision was not stored: the disk is too far behind")
            return
        decided = KioskDecision(
            decision_id=decision.decision_id,
            till_id=place.till_id,
            basket_id=place.basket_id,
            customer_id=place.customer,
            items=tuple(
                DecisionItem(
                    sku=one.sku,
                    score=round(one.score, SCORE_DIGITS),
                    reason=one.reason.text,
                    propensity=round(one.propensity, SCORE_DIGITS),
                )
                for one in decision.items
            ),
            model_version=decision.model_version,
            took_ms=round(decision.took_ms, 3),
        )
        draft = self._decoder.make(decided, AGENT_PRODUCER, event_id=f"decision:{decided.decision_id}")
        self._unstored.append(draft)
        self._work.set()
