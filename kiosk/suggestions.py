"""Which suggestion stands in which slot, and when to ask for new ones.

A card that stays relevant stays where it is, a busy slot keeps its card, and the rest fills the free slots: nothing
moves under a finger. A decision for another basket version is never shown.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from kiosk.documents import Basket, Decision, Product, Suggestion
from kiosk.effects import Ask, Effect, LookUp, Step
from kiosk.state import (
    POSTS_MAX,
    PRODUCTS_MAX,
    Add,
    AddState,
    Agent,
    BringState,
    Card,
    Face,
    Note,
    Notice,
    Post,
    Slot,
    State,
    number_id,
)

__all__ = [
    "REFRESH_S",
    "ask_if_due",
    "end_busy_slots",
    "end_offers",
    "fill_slots",
    "refresh_now",
    "refresh_products",
    "remember",
    "say",
    "take_basket",
    "take_decision",
    "with_feedback",
]

DEADLINE_MS: Final = 120  # leaves 80 of the 200 ms from scan to suggestions for the way and the paint
SPARE_ITEMS: Final = 3  # asked for beyond the slots, so that a free slot fills without another question
ASK_AGAIN_S: Final = 1.0
DONE_SHOWN_S: Final = 3.0
REFUSED_SHOWN_S: Final = 6.0
BRING_OFFERED_S: Final = 8.0  # time to ask the customer
VIEWED_MIN_S: Final = 1.0  # long enough to read a card
REFRESH_S: Final = 10.0  # how old a price on the screen may be that nobody announced: an offer that begins
NOTICE_S: Final = 5.0
ITEMS_ASKED_MAX: Final = 200  # lines of the basket that a decision is asked with, the newest
LOOK_UPS_MAX: Final = 60
FOUND_SEEN_MAX: Final = 10


def take_basket(state: State, basket: Basket, now_s: float) -> Step:
    """The till's basket changed: other cards go at once, new ones are asked for."""
    before = state.basket
    state = replace(state, basket=basket)
    if before is None or before.basket_id != basket.basket_id:
        state = replace(state, avoided=frozenset(), undo=None, notice=None, look=None)
        state = _clear_slots(state, now_s, also_busy=True)
    elif basket.status != "open":
        state = replace(_clear_slots(state, now_s, also_busy=False), undo=None)
    state = fill_slots(state, now_s) if basket.status == "open" and state.decision else state
    unnamed = [line.sku for line in basket.items if not line.description and line.sku not in state.products]
    effects: tuple[Effect, ...] = (LookUp(tuple(dict.fromkeys(unnamed))[-LOOK_UPS_MAX:]),) if unnamed else ()
    state, asked = ask_if_due(state, now_s)
    return state, (*effects, *asked)


def ask_if_due(state: State, now_s: float) -> Step:
    """One question at a time, always about the newest basket."""
    basket = state.open_basket
    if basket is None or state.agent is not Agent.UP or state.asking is not None:
        return state, ()
    if state.decided_for == basket.version:
        return state, ()
    state, question_id = number_id(state)
    body: dict[str, Any] = {  # Any: JSON
        "id": question_id,
        "till_id": state.till_id,
        "basket_id": basket.basket_id,
        "items": list(dict.fromkeys(line.sku for line in basket.items))[-ITEMS_ASKED_MAX:],
        "slots": len(state.slots) + SPARE_ITEMS,
        "deadline_ms": DEADLINE_MS,
    }
    if basket.customer_id is not None and state.face is Face.STAFF:  # a customer's screen shows no history
        body["customer_id"] = basket.customer_id
    return replace(state, asking=basket.version, asked_s=now_s), (Ask(basket.version, body),)


def take_decision(state: State, version: int, decision: Decision | None, now_s: float) -> Step:
    """The answer to a question; None when there was none."""
    if state.asking != version:
        return state, ()
    state = replace(state, asking=None)
    basket = state.open_basket
    if basket is None or basket.version != version:
        return ask_if_due(state, now_s)  # late: the basket has gone on
    if decision is None or decision.late:
        return state, ()
    state = remember(state, filter(None, (item.product for item in decision.items)))
    return fill_slots(replace(state, decision=decision, decided_for=version), now_s), ()


def fill_slots(state: State, now_s: float) -> State:
    """Puts the decision's items into the slots that are free to change."""
    decision = state.decision
    assert decision is not None, "there is something to place"
    wanted = {item.sku: item for item in decision.items if _may_show(state, item)}
    for number, slot in enumerate(state.slots):
        if slot.busy or slot.card is None:
            continue
        stays = wanted.pop(slot.card.sku, None)
        if stays is None:
            state = leave_slot(state, number, now_s)
        elif slot.card.decision_id != decision.decision_id:
            state = _show(leave_slot(state, number, now_s), number, stays, slot.card.changed_s, now_s)
    for number, slot in enumerate(state.slots):
        if wanted and slot.card is None:
            state = _show(state, number, wanted.pop(next(iter(wanted))), now_s, now_s)
    return state


def end_busy_slots(state: State, now_s: float) -> State:
    """Frees the slots whose answer was shown long enough, and fills them from the decision at hand."""
    before = state
    for number, slot in enumerate(state.slots):
        if slot.busy and _has_ended(state, slot, now_s):
            state = state.with_slot(number, Slot())
    if state is before or state.decision is None or state.open_basket is None:
        return state
    return fill_slots(state, now_s)


def leave_slot(state: State, number: int, now_s: float) -> State:
    """Takes a card away; when it was there long enough to be read, that is told."""
    card = state.slots[number].card
    state = state.with_slot(number, Slot())
    if card is None or now_s - card.since_s < VIEWED_MIN_S:
        return state
    return with_feedback(state, card, number, "viewed", visible_ms=round((now_s - card.since_s) * 1000))


def with_feedback(
    state: State, card: Card, slot: int, reaction: str, *, not_before_s: float = 0.0, **more: str | int
) -> State:
    """One reaction queued for the agent. Of what was merely shown the oldest go when there are too many."""
    state, feedback_id = number_id(state)
    body = {
        "id": feedback_id,
        "decision_id": card.decision_id,
        "till_id": state.till_id,
        "sku": card.sku,
        "slot": slot,
        "reaction": reaction,
        **more,
    }
    tap = reaction in ("accepted", "dismissed")
    request_id = str(more.get("request_id", ""))
    post = Post(feedback_id, "/v1/feedback", MappingProxyType(body), tap, not_before_s, request_id)
    posts = (*state.posts, post)
    if len(posts) > POSTS_MAX:
        oldest = next((kept for kept in posts if not kept.tap and kept.id != state.in_flight), None)
        posts = tuple(kept for kept in posts if kept is not oldest)
    return replace(state, posts=posts)


def refresh_products(state: State, now_s: float) -> Step:
    """Reads the products on the screen again when that is due."""
    seen = _seen(state)
    if not seen or state.agent is not Agent.UP or now_s - state.refreshed_s < REFRESH_S:
        return state, ()
    return replace(state, refreshed_s=now_s), (LookUp(tuple(dict.fromkeys(seen))),)


def refresh_now(state: State, now_s: float) -> Step:
    """Prices or offers changed: what is on the screen is read at once."""
    return refresh_products(replace(state, refreshed_s=now_s - REFRESH_S), now_s)


def end_offers(state: State, at: datetime) -> State:
    """An offer on the screen ends with its time, also while nobody can be asked."""
    ended = []
    for sku in _seen(state):
        product = state.products.get(sku)
        if product is not None and any(offer.valid_to <= at for offer in product.offers):
            offers = tuple(offer for offer in product.offers if offer.valid_to > at)
            ended.append(product.model_copy(update={"offers": offers}))
    return remember(state, ended) if ended else state


def remember(state: State, products: Iterable[Product]) -> State:
    """Knows these products; of too many the longest unseen go."""
    news = {product.sku: product for product in products}
    if all(state.products.get(sku) == product for sku, product in news.items()):
        return state
    merged = {sku: product for sku, product in state.products.items() if sku not in news} | news
    for sku in list(merged)[: max(0, len(merged) - PRODUCTS_MAX)]:
        del merged[sku]
    return replace(state, products=MappingProxyType(merged))


def say(state: State, note: Note, subject: str, now_s: float, reason: str = "") -> State:
    """One sentence in the bar."""
    return replace(state, notice=Notice(note, subject, now_s + NOTICE_S, reason))


def _seen(state: State) -> list[str]:
    """What is on the screen."""
    on_cards = [slot.card.sku for slot in state.slots if slot.card is not None]
    return on_cards + (list(state.look.found or ())[:FOUND_SEEN_MAX] if state.look else [])


def _may_show(state: State, item: Suggestion) -> bool:
    basket = state.open_basket
    in_basket = basket is not None and any(line.sku == item.sku for line in basket.items)
    in_hand = any(slot.busy and slot.card is not None and slot.card.sku == item.sku for slot in state.slots)
    return item.sku in state.products and item.sku not in state.avoided and not in_basket and not in_hand


def _show(state: State, number: int, item: Suggestion, changed_s: float, now_s: float) -> State:
    assert state.decision is not None, "an item comes from a decision"
    card = Card(state.decision.decision_id, item, now_s, changed_s)
    return with_feedback(state.with_slot(number, Slot(card)), card, number, "shown")


def _clear_slots(state: State, now_s: float, *, also_busy: bool) -> State:
    for number, slot in enumerate(state.slots):
        if slot.busy and also_busy:
            state = state.with_slot(number, Slot())
        elif not slot.busy:
            state = leave_slot(state, number, now_s)
    return replace(state, decision=None, decided_for=None)


def _has_ended(state: State, slot: Slot, now_s: float) -> bool:
    if slot.hidden_until_s is not None:
        return now_s >= slot.hidden_until_s
    add = state.add_of(slot.request_id)
    if add is None:
        return True
    ended_s = add.ended_s if slot.bring is None else slot.bring.ended_s
    return ended_s is not None and now_s - ended_s >= _shown_s(state, slot, add)


def _shown_s(state: State, slot: Slot, add: Add) -> float:
    if state.offers_bring(slot):
        return BRING_OFFERED_S
    refused = add.state is AddState.REFUSED or (slot.bring is not None and slot.bring.state is BringState.REFUSED)
    return REFUSED_SHOWN_S if refused else DONE_SHOWN_S
