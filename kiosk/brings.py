"""Have it brought: a vehicle fetches what a card put into the basket, in a shop that has vehicles."""

from dataclasses import replace
from types import MappingProxyType

from kiosk.effects import Step
from kiosk.inputs import PostRefused
from kiosk.state import Bring, BringState, Note, Post, State, number_id
from kiosk.suggestions import say
from kiosk.taps import SETTLE_S

__all__ = ["end_bring", "take_bring"]


def take_bring(state: State, number: int, sku: str, now_s: float) -> Step:
    """Have it brought on a card; from then on its Add stands, as a vehicle may be on its way."""
    if not _was_aimed_at(state, number, sku, now_s):
        return state, ()
    if not state.has_room_for_taps:
        return say(state, Note.TOO_MANY, sku, now_s), ()
    slot = state.slots[number]
    add = state.add_of(slot.request_id)
    assert add is not None, "it is offered only for an Add that is done"
    state, request_id = number_id(state)
    body = {"request_id": request_id, "basket_id": add.basket_id, "sku": sku}
    post = Post(request_id, f"/v1/tills/{state.till_id}/brings", MappingProxyType(body), tap=True)
    state = state.with_slot(number, replace(slot, bring=Bring(request_id)))
    undo = None if state.undo is not None and state.undo.request_id == add.request_id else state.undo
    return replace(state, posts=(*state.posts, post), undo=undo, touched_s=now_s), ()


def end_bring(state: State, post_id: str, now_s: float, refused: PostRefused | None = None) -> State:
    """The agent has taken this post, or refuses it; a post of another kind changes nothing. A refusal is said once."""
    post = next((post for post in state.posts if post.id == post_id), None)
    if post is None or not post.path.endswith("/brings"):
        return state
    ended = BringState.SENT if refused is None else BringState.REFUSED
    for number, slot in enumerate(state.slots):
        if slot.bring is not None and slot.bring.request_id == post_id:
            state = state.with_slot(number, replace(slot, bring=Bring(post_id, ended, now_s)))
    if refused is None:
        return state
    note = Note.NO_VEHICLES if refused.code == "no_vehicles" else Note.BRING_REFUSED
    return say(state, note, post.body["sku"], now_s, refused.detail)


def _was_aimed_at(state: State, number: int, sku: str, now_s: float) -> bool:
    """A button that has just appeared is not what the finger meant: it stands where Add was."""
    slot = state.slots[number] if 0 <= number < len(state.slots) else None
    if slot is None or slot.card is None or slot.card.sku != sku or not state.offers_bring(slot):
        return False
    add = state.add_of(slot.request_id)
    return add is not None and add.ended_s is not None and now_s - add.ended_s >= SETTLE_S
