"""Suggestions for a basket, and what became of them: `POST /v1/decisions` and `POST /v1/feedback`."""

from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from agent.api.bodies import read_model
from agent.api.caller import Caller
from agent.api.intake import StoredEvent
from agent.api.metrics import Metrics
from agent.api.refusal import Refusal
from agent.api.route import JSON, Body, Route, json_answer
from agent.api.shelf_product import Shelf, ShelfProduct
from agent.decide import SLOTS_MAX, Adviser, Decision, ReasonKind, Rule
from agent.errors import Problem
from agent.event_fields import Count, Customer, Key
from agent.event_types import EventData, KioskAccepted, KioskDismissed, KioskShown, KioskViewed
from agent.events import EventDecoder
from agent.log import EventLog

__all__ = ["DecisionRoutes"]

BODY_BYTES_MAX: Final = 65_536
ITEMS_MAX: Final = 500
DEADLINE_MS_MAX: Final = 10_000
UNNAMED_KIOSK: Final = "kiosk"  # the producer of feedback from a caller on the socket that gave no name


class DecisionQuestion(BaseModel):
    """A basket to make suggestions for. An answer after `deadline_ms` has no items; `id` is yours and comes back."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    till_id: Key
    basket_id: Key | None = None
    items: Annotated[tuple[Key, ...], Field(max_length=ITEMS_MAX)] = ()
    customer_id: Customer | None = None
    slots: Annotated[int, Field(ge=1, le=SLOTS_MAX, strict=True)] = 5
    deadline_ms: Annotated[int, Field(ge=1, le=DEADLINE_MS_MAX, strict=True)] = 200
    id: Key | None = None


class ReasonDetails(BaseModel):
    """Why, with this shop's own counts: `baskets` of `of`, beside `with_sku`; a habit has `every_days`."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)

    kind: ReasonKind
    baskets: int
    of: int | None
    with_sku: str | None
    with_name: str | None
    every_days: int | None


class SuggestedItem(BaseModel):
    """One suggestion; `product` is missing in a shop without a catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: str
    score: float
    reason: str
    why: ReasonDetails
    propensity: float
    product: ShelfProduct | None


class RemovedItem(BaseModel):
    """A product that the rules kept from being suggested."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)

    sku: str
    rule: Rule


class DecisionAnswer(BaseModel):
    """A decision, the best item first; `late` when its deadline had passed; `removed` was left out by a rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision_id: str
    id: str | None
    items: list[SuggestedItem]
    model_version: str
    took_ms: float
    late: bool
    removed: list[RemovedItem]


class Feedback(BaseModel):
    """What happened to one suggestion. With an `id` of your own you may send it again and it counts once."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    decision_id: Key
    till_id: Key
    sku: Key
    slot: Count
    reaction: Literal["shown", "viewed", "accepted", "dismissed"]
    visible_ms: Count | None = None
    request_id: Key | None = None
    id: Key | None = None


class DecisionRoutes:
    """The routes over one adviser; without one, questions are refused."""

    def __init__(
        self, adviser: Adviser | None, shelf: Shelf, log: EventLog, decoder: EventDecoder, metrics: Metrics
    ) -> None:
        self._adviser = adviser
        self._metrics = metrics
        self._shelf = shelf
        self._log = log
        self._decoder = decoder
        self._question_body = Body((JSON,), DecisionQuestion, BODY_BYTES_MAX)
        self._feedback_body = Body((JSON,), Feedback, BODY_BYTES_MAX)

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [
            Route(
                "POST",
                "/v1/decisions",
                "postDecision",
                "The next best products for a basket, with reasons",
                self.post_decision,
                {200: json_answer("The decision; it becomes a kiosk.decision.v1 event", DecisionAnswer)},
                errors=(503,),
                needs=("kiosk.shown.v1",),
                body=self._question_body,
            ),
            Route(
                "POST",
                "/v1/feedback",
                "postFeedback",
                "What happened to one suggestion; answered once that is stored",
                self.post_feedback,
                {
                    201: json_answer("Stored as a kiosk event", StoredEvent),
                    200: json_answer("It was stored before", StoredEvent),
                },
                errors=(409, 429, 503, 507),
                needs=("kiosk.shown.v1",),
                body=self._feedback_body,
            ),
        ]

    async def post_decision(self, request: web.Request, caller: Caller) -> web.Response:
        """One decision."""
        del caller
        if self._adviser is None:
            raise Refusal(503, "decisions_off", "this device makes no suggestions: [decide] enabled is false")
        asked = await read_model(request, self._question_body, DecisionQuestion)
        decision = await self._adviser.decide(
            till_id=asked.till_id,
            basket_id=asked.basket_id,
            skus=asked.items,
            customer=asked.customer_id,
            slots=asked.slots,
            deadline_ms=asked.deadline_ms,
        )
        self._metrics.decided(decision.took_ms / 1_000, late=decision.late)
        answer = _answer(decision, asked.id, self._shelf)
        return web.Response(body=answer.model_dump_json().encode(), content_type=JSON)

    async def post_feedback(self, request: web.Request, caller: Caller) -> web.Response:
        """Store one reaction."""
        told = await read_model(request, self._feedback_body, Feedback)
        event_id = told.id or f"{told.reaction}:{told.decision_id}:{told.slot}:{told.sku}"
        draft = self._decoder.make(_event(told), caller.name or UNNAMED_KIOSK, event_id=event_id)
        (stored,) = await self._log.append([draft])
        body = StoredEvent.model_validate(stored._asdict()).model_dump_json().encode()
        return web.Response(body=body, status=200 if stored.duplicate else 201, content_type=JSON)


def _answer(decision: Decision, question_id: str | None, shelf: Shelf) -> DecisionAnswer:
    return DecisionAnswer(
        decision_id=decision.decision_id,
        id=question_id,
        items=[
            SuggestedItem(
                sku=one.sku,
                score=one.score,
                reason=one.reason.text,
                why=ReasonDetails.model_validate(one.reason),
                propensity=one.propensity,
                product=shelf.show(one.product) if one.product is not None else None,
            )
            for one in decision.items
        ],
        model_version=decision.model_version,
        took_ms=decision.took_ms,
        late=decision.late,
        removed=[RemovedItem.model_validate(one) for one in decision.trace],
    )


def _event(told: Feedback) -> EventData:
    """The kiosk event that a reaction is.

    Raises:
        Refusal: 400 when a field is missing, or given for another reaction.
    """
    of_reaction = {"visible_ms": "viewed", "request_id": "accepted"}
    for field, reaction in of_reaction.items():
        if getattr(told, field) is not None and told.reaction != reaction:
            problem = Problem(field, f"given for {told.reaction}", f"only for {reaction}")
            raise Refusal(400, "refused", str(problem), problem)
    place = {"decision_id": told.decision_id, "till_id": told.till_id, "sku": told.sku, "slot": told.slot}
    match told.reaction:
        case "shown":
            return KioskShown.model_validate(place)
        case "dismissed":
            return KioskDismissed.model_validate(place)
        case "accepted":
            return KioskAccepted.model_validate(place | {"request_id": told.request_id})
        case "viewed":
            if told.visible_ms is None:
                problem = Problem("visible_ms", "missing", "milliseconds on the screen")
                raise Refusal(400, "refused", str(problem), problem)
            return KioskViewed.model_validate(place | {"visible_ms": told.visible_ms})
