"""Events in: `POST /v1/events` answers after the fsync, and `POST /v1/pseudonyms` gives customers their other name."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Final
from weakref import WeakValueDictionary

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.api.bodies import read_body
from agent.api.caller import Caller
from agent.api.door import PRODUCER_HEADER
from agent.api.event_schemas import EVENTS_BODY
from agent.api.metrics import Metrics
from agent.api.peer import peer_name
from agent.api.rate import ProducerRates
from agent.api.refusal import Refusal, refusal_of
from agent.api.route import JSON, Body, Parameter, Route, json_answer
from agent.clock import Clock
from agent.errors import EventRefused, IdConflict, Problem, StoreforwardError
from agent.event_types import Stream
from agent.events import Draft, EventDecoder, problems_of
from agent.log import Appended, EventLog
from agent.refused import RefusedBodies
from agent.tills.pseudonyms import Pseudonyms

__all__ = ["Intake", "IntakeLimits"]

EVENT_MEDIA_TYPES: Final = (JSON, "application/cloudevents+json", "application/cloudevents-batch+json")
BODY_BYTES_MAX: Final = 4_194_304  # agent.events.BODY_BYTES_MAX
PROBLEMS_MAX: Final = 20
PSEUDONYM_BYTES_MAX: Final = 4_096
DECODE_HERE_BYTES_MAX: Final = 65_536  # about 10 ms of the event loop; larger bodies are decoded on a thread
BIG_BODIES_MAX: Final = 4  # in memory at a time, one of each producer; more of them wait


class StoredEvent(BaseModel):
    """Where one event is now. `duplicate`: it was there already, unchanged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    stream: Stream
    epoch: str
    sequence: Annotated[int, Field(ge=1)]
    duplicate: bool


class StoredEvents(BaseModel):
    """The answer for each event, in the order sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: list[StoredEvent]


class PseudonymRequest(BaseModel):
    """A customer's raw id, as a loyalty card has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)

    customer: Annotated[str, Field(min_length=1, max_length=256)]


class Pseudonym(BaseModel):
    """What to send instead of the raw id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer_id: Annotated[str, Field(pattern=r"^p1:[0-9a-f]{32}$")]


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How fast and how large calls may be."""

    rates: ProducerRates
    request_bytes_max: int


class Intake:
    """The two routes by which producers feed the log."""

    def __init__(
        self,
        log: EventLog,
        decoder: EventDecoder,
        pseudonyms: Pseudonyms,
        limits: IntakeLimits,
        metrics: Metrics,
        clock: Clock,
        decoding: ThreadPoolExecutor,
        refused: RefusedBodies,
    ) -> None:
        self._log = log
        self._decoder = decoder
        self._pseudonyms = pseudonyms
        self._rates = limits.rates
        self._metrics = metrics
        self._clock = clock
        self._decoding = decoding
        self._refused = refused
        self._big_bodies = asyncio.Semaphore(BIG_BODIES_MAX)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By producer: a slow one waits for itself, and takes one place from the others."""
        self._events_body = Body(EVENT_MEDIA_TYPES, EVENTS_BODY, min(limits.request_bytes_max, BODY_BYTES_MAX))
        self._pseudonym_body = Body((JSON,), PseudonymRequest, PSEUDONYM_BYTES_MAX)

    def routes(self) -> list[Route]:
        """What this part serves."""
        producer = Parameter(
            PRODUCER_HEADER, "header", "On the Unix socket: the name this producer gives itself", {"type": "string"}
        )
        return [
            Route(
                "POST",
                "/v1/events",
                "postEvents",
                "Store one event or a list of up to 1,000, all or none; answers once they are on the disk",
                self.post_events,
                {
                    201: json_answer("Stored", StoredEvents),
                    200: json_answer("All of them were stored before, unchanged", StoredEvents),
                },
                errors=(401, 409, 429, 503, 507),
                parameters=(producer,),
                body=self._events_body,
            ),
            Route(
                "POST",
                "/v1/pseudonyms",
                "postPseudonym",
                "The pseudonym of a raw customer id, which is neither stored nor logged",
                self.post_pseudonym,
                {200: json_answer("The pseudonym", Pseudonym)},
                body=self._pseudonym_body,
            ),
        ]

    async def post_events(self, request: web.Request, caller: Caller) -> web.Response:
        """Decode, append, answer."""
        if caller.name is None:
            raise Refusal(401, "no_name", f"say who you are: {PRODUCER_HEADER}: till-3")
        wait_s = self._rates.wait_s(caller.name, self._clock.monotonic_s())
        if wait_s > 0:
            self._metrics.rejected("rate_limited")
            raise Refusal(
                429,
                "rate_limited",
                "more events than api.producer_events_per_s lets this producer send",
                retry_after_s=wait_s,
            )
        if (request.content_length or BODY_BYTES_MAX) <= DECODE_HERE_BYTES_MAX:
            return await self._store(request, caller, caller.name)
        turn = self._turns.setdefault(caller.name, asyncio.Lock())
        async with turn, self._big_bodies:
            return await self._store(request, caller, caller.name)

    async def post_pseudonym(self, request: web.Request, caller: Caller) -> web.Response:
        """Map one id; not through the strict decoder, whose card guard would refuse loyalty cards that look alike."""
        del caller
        body = await read_body(request, self._pseudonym_body)
        try:
            raw = PseudonymRequest.model_validate_json(body).customer
        except ValidationError as error:
            raise EventRefused(*problems_of(error)) from None
        answer = Pseudonym(customer_id=self._pseudonyms.pseudonym(raw))
        return web.Response(body=answer.model_dump_json().encode(), content_type=JSON)

    async def _store(self, request: web.Request, caller: Caller, name: str) -> web.Response:
        drafts: list[Draft] = []
        body = b""
        try:
            body = await read_body(request, self._events_body)
            drafts = await self._decode(body, name)
            _check_types(drafts, caller)
            began_s = self._clock.monotonic_s()
            self._rates.spend(name, len(drafts), began_s)
            stored = await self._log.append(drafts)
        except StoreforwardError as error:
            refusal = _refusal_of(error, drafts)
            self._metrics.rejected(refusal.kind, events=len(drafts) or 1)
            if body and refusal.problems:  # it is about what was sent, and not about when
                self._refused.keep(name, peer_name(request), refusal.kind, tuple(refusal.problems), body)
            raise refusal from error
        self._metrics.appended(self._clock.monotonic_s() - began_s)
        return self._answer(stored)

    async def _decode(self, body: bytes, name: str) -> list[Draft]:
        try:
            if len(body) <= DECODE_HERE_BYTES_MAX:
                return self._decoder.decode(body, name)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._decoding, self._decoder.decode, body, name)
        except EventRefused:
            self._rates.spend(name, 1, self._clock.monotonic_s())  # to read nonsense costs as well
            raise

    def _answer(self, stored: Sequence[Appended]) -> web.Response:
        new = Counter(at.stream for at in stored if not at.duplicate)
        self._metrics.accepted(new, duplicates=len(stored) - new.total())
        answers = [
            {"id": at.id, "stream": at.stream, "epoch": at.epoch, "sequence": at.sequence, "duplicate": at.duplicate}
            for at in stored
        ]
        body = json.dumps({"events": answers}).encode()
        return web.Response(body=body, status=201 if new else 200, content_type=JSON)


def _check_types(drafts: Sequence[Draft], caller: Caller) -> None:
    refused = {name for name in {draft.type for draft in drafts} if not caller.may_write(name)}
    if refused:
        problems = [
            Problem(_path(index, drafts, "type"), f"{draft.type} is not among this producer's types")
            for index, draft in enumerate(drafts)
            if draft.type in refused
        ]
        raise Refusal(403, "foreign_type", "this producer may not write such events", *problems[:PROBLEMS_MAX])


def _refusal_of(error: StoreforwardError, drafts: Sequence[Draft]) -> Refusal:
    refusal = refusal_of(error)
    if isinstance(error, EventRefused) and all(problem.path.endswith("source") for problem in error.problems):
        return Refusal(403, "foreign_source", "a producer writes only under its own source", *error.problems)
    if isinstance(error, IdConflict):
        problems = [
            Problem(_path(index, drafts, "id"), "stored before with another content", "the same event, or a new id")
            for index, draft in enumerate(drafts)
            if draft.id == error.event_id
        ]
        return Refusal(409, refusal.kind, refusal.detail, *problems[:PROBLEMS_MAX])
    return refusal


def _path(index: int, drafts: Sequence[Draft], key: str) -> str:
    return f"[{index}].{key}" if len(drafts) > 1 else key
