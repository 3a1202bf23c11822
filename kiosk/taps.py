"""What a tap does: Add asks the till, Not now hides, Undo takes either back for five seconds; and how requests end."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final, Literal

from kiosk.documents import RequestNow
from kiosk.effects import Follow, Step
from kiosk.state import Add, AddState, Agent, Card, Note, Post, Slot, State, Undo, number_id
from kiosk.suggestions import say, with_feedback

__all__ = ["SETTLE_S", "UNDO_S", "add_found", "dismiss_card", "drop_post", "lose_request", "refuse_post", "take_card"]
__all__ += ["return_post", "take_request", "undo"]

UNDO_S: Final = 5.0
SETTLE_S: Final = 0.3
"""A card that changed less than this before the tap is not what the finger was aimed at (a reaction takes 250 ms)."""
ADDS_MAX: Final = 40  # remembered, the oldest ended go first


def take_card(state: State, number: int, sku: str, now_s: float) -> Step:
    """Add on a card."""
    card = _card_to_tap(state, number, sku, now_s)
    if card is None:
        return state, ()
    asked = _ask_till(state, sku, "add_item", now_s)
    if asked is None:
        return say(state, _why_not(state), sku, now_s), ()
    state, request_id = asked
    state = with_feedback(state, card, number, "accepted", request_id=request_id)
    state = state.with_slot(number, Slot(card, request_id=request_id))
    state = replace(state, avoided=state.avoided | {sku}, notice=None)
    return replace(state, undo=Undo(sku, number, now_s + UNDO_S, request_id=request_id)), ()


def add_found(state: State, sku: str, now_s: float) -> Step:
    """Add on something that was looked up."""
    if state.look is None or sku not in (state.look.found or ()):
        return state, ()
    waiting = any(add.sku == sku and add.ended_s is None for add in state.adds)
    if waiting:
        return state, ()  # a second tap on the same button
    asked = _ask_till(state, sku, "add_item", now_s)
    if asked is None:
        return say(state, _why_not(state), sku, now_s), ()
    state, request_id = asked
    return replace(state, notice=None, undo=Undo(sku, None, now_s + UNDO_S, request_id=request_id)), ()


def dismiss_card(state: State, number: int, sku: str, now_s: float) -> Step:
    """Not now on a card: told to the agent once it can no longer be undone."""
    card = _card_to_tap(state, number, sku, now_s)
    if card is None:
        return state, ()
    until_s = now_s + UNDO_S
    state = with_feedback(state, card, number, "dismissed", not_before_s=until_s)
    feedback_id = state.posts[-1].id
    state = state.with_slot(number, Slot(card, hidden_until_s=until_s))
    state = replace(state, avoided=state.avoided | {sku}, undo=Undo(sku, number, until_s, feedback_id=feedback_id))
    return say(state, Note.DISMISSED, sku, now_s), ()


def undo(state: State, now_s: float) -> Step:
    """Takes back the last Add or Not now."""
    last = state.undo
    if last is None or now_s >= last.until_s:
        return state, ()
    if last.feedback_id:
        state = drop_post(state, last.feedback_id)
    elif _is_unsent(state, last.request_id):
        posts = tuple(post for post in state.posts if post.request_id != last.request_id)
        adds = tuple(add for add in state.adds if add.request_id != last.request_id)
        state = replace(state, posts=posts, adds=adds)
    else:
        asked = _ask_till(state, last.sku, "remove_item", now_s)
        if asked is None:
            return say(state, _why_not(state), last.sku, now_s), ()
        state, _ = asked
    state = replace(state, undo=None, notice=None, avoided=state.avoided - {last.sku})
    state = _give_back(state, last, now_s)
    return (say(state, Note.TAKEN_BACK, last.sku, now_s) if last.feedback_id else state), ()


def take_request(state: State, request: RequestNow, now_s: float) -> State:
    """How a request stands, as the agent says."""
    add = state.add_of(request.request_id)
    if add is None or add.ended_s is not None:
        return state
    if request.state == "pending":
        return _with_add(state, replace(add, state=AddState.PENDING))
    done = request.state == "done"
    ended = replace(
        add,
        state=AddState.DONE if done else AddState.REFUSED,
        ended_s=now_s,
        reason=request.reason or "",
        expired=request.state == "expired",
    )
    return _tell_end(_with_add(state, ended), ended, now_s)


def lose_request(state: State, request_id: str, now_s: float) -> State:
    """The agent no longer knows a request: as if the till had not answered."""
    return take_request(state, RequestNow(request_id=request_id, state="expired"), now_s)


def refuse_post(state: State, post_id: str, detail: str, now_s: float) -> State:
    """The agent will never take this post; of a request, that is its end."""
    state = drop_post(state, post_id)
    return take_request(state, RequestNow(request_id=post_id, state="refused", reason=detail), now_s)


def return_post(state: State, post_id: str) -> State:
    """The agent could not take this post now: a request in it is not with the till, and says so."""
    add = state.add_of(post_id)
    return _with_add(state, replace(add, state=AddState.KEPT)) if add is not None and add.ended_s is None else state


def drop_post(state: State, post_id: str) -> State:
    """The same without one post."""
    return replace(state, posts=tuple(post for post in state.posts if post.id != post_id))


def follow_pending(state: State) -> tuple[Follow, ...]:
    """All requests whose end is still to come and that the agent has."""
    return tuple(Follow(add.request_id) for add in state.adds if add.state is AddState.PENDING)


def _card_to_tap(state: State, number: int, sku: str, now_s: float) -> Card | None:
    slot = state.slots[number] if 0 <= number < len(state.slots) else Slot()
    if slot.busy or slot.card is None or slot.card.sku != sku or now_s - slot.card.changed_s < SETTLE_S:
        return None
    return slot.card


def _ask_till(
    state: State, sku: str, kind: Literal["add_item", "remove_item"], now_s: float
) -> tuple[State, str] | None:
    basket = state.open_basket
    if basket is None or not state.has_room_for_taps:
        return None
    state, request_id = number_id(state)
    body = {"request_id": request_id, "basket_id": basket.basket_id, "kind": kind, "sku": sku, "quantity": "1"}
    path = f"/v1/tills/{state.till_id}/requests"
    post = Post(request_id, path, MappingProxyType(body), tap=True, request_id=request_id)
    first = AddState.PENDING if state.agent is Agent.UP else AddState.KEPT
    state = _with_add(state, Add(request_id, basket.basket_id, sku, kind, first))
    return replace(state, posts=(*state.posts, post), touched_s=now_s), request_id


def _why_not(state: State) -> Note:
    return Note.NO_BASKET if state.open_basket is None else Note.TOO_MANY


def _is_unsent(state: State, request_id: str) -> bool:
    return request_id != state.in_flight and any(post.id == request_id for post in state.posts)


def _give_back(state: State, last: Undo, now_s: float) -> State:
    """The card stands in its slot again, unless another basket took the slot."""
    if last.slot is None:
        return state
    slot = state.slots[last.slot]
    if slot.card is None or slot.card.sku != last.sku:
        return state
    return state.with_slot(last.slot, Slot(replace(slot.card, since_s=now_s, changed_s=now_s)))


def _with_add(state: State, add: Add) -> State:
    others = [known for known in state.adds if known.request_id != add.request_id]
    if len(others) >= ADDS_MAX:
        ended = next((known for known in others if known.ended_s is not None), None)
        others = [known for known in others if known is not ended]
    return replace(state, adds=(*others, add))


def _tell_end(state: State, add: Add, now_s: float) -> State:
    done = add.state is AddState.DONE
    if not done and state.undo is not None and state.undo.request_id == add.request_id:
        state = replace(state, undo=None)
    if add.kind == "remove_item":
        return say(state, Note.TAKEN_BACK if done else Note.TAKE_BACK_REFUSED, add.sku, now_s, add.reason)
    if done:
        return say(state, Note.ADDED, add.sku, now_s)
    on_card = any(slot.request_id == add.request_id for slot in state.slots)
    return state if on_card else say(state, Note.ADD_REFUSED, add.sku, now_s, add.reason)
