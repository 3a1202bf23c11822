"""The kiosk's one state machine: the next state and what is to be done, for every input."""

from dataclasses import replace
from typing import Final

from kiosk import inputs
from kiosk.brings import end_bring, take_bring
from kiosk.documents import AgentStatus
from kiosk.effects import Step
from kiosk.looking import erase, key_pressed, keys_rested, letter, open_look, take_code, take_found, tell_search
from kiosk.state import AddState, Agent, Face, State
from kiosk.stops import close_stop, end_stop, see_vehicles, tap_stop, tick_stop
from kiosk.suggestions import (
    ASK_AGAIN_S,
    ask_if_due,
    end_busy_slots,
    end_offers,
    fill_slots,
    refresh_now,
    refresh_products,
    remember,
    take_basket,
    take_decision,
)
from kiosk.taps import (
    add_found,
    dismiss_card,
    drop_post,
    follow_pending,
    lose_request,
    refuse_post,
    return_post,
    take_card,
    take_request,
    undo,
)

__all__ = ["reduce"]

_TOUCHES: Final = (
    inputs.Touched,
    inputs.AddTapped,
    inputs.NotNowTapped,
    inputs.BringTapped,
    inputs.UndoTapped,
    inputs.StopTapped,
    inputs.StopClosed,
    inputs.FoundTapped,
    inputs.LetterTapped,
    inputs.KeyPressed,
)
_LOOKS: Final = (inputs.LookOpened, inputs.KeyPressed, inputs.KeysRested)


def reduce(state: State, event: inputs.Input, now_s: float) -> Step:  # noqa: PLR0911 - one answer per input
    """The state after `event` at the monotonic time `now_s`, and the effects it asks for."""
    if isinstance(event, _TOUCHES):
        state = replace(state, touched_s=now_s, attract=False)
    match event:
        case inputs.Ticked(at=at):
            return _tick(end_offers(state, at), now_s)
        case inputs.BasketSeen(basket=basket):
            return take_basket(replace(state, attract=False, touched_s=now_s, as_of=None), basket, now_s)
        case inputs.DecisionSeen(version=version, decision=decision):
            return take_decision(state, version, decision, now_s)
        case inputs.DecisionFailed(version=version):
            return take_decision(state, version, None, now_s)
        case inputs.ProductsSeen() | inputs.ShelfChanged():
            return _take_shelf(state, event, now_s)
        case inputs.StatusSeen() | inputs.VehiclesSeen() | inputs.StopTold() | inputs.StopUntold():
            return _take_vehicles(state, event, now_s), ()
        case inputs.AgentCameUp() | inputs.AgentWentDown():
            return _take_agent(state, event, now_s)
        case inputs.PostTaken() | inputs.PostDone() | inputs.PostReturned() | inputs.PostRefused():
            return _take_post(state, event, now_s)
        case inputs.RequestSeen(request=request):
            return take_request(state, request, now_s), ()
        case inputs.RequestLost(request_id=request_id):
            return lose_request(state, request_id, now_s), ()
        case _:
            return _take_tap(state, event, now_s)


def _take_tap(state: State, event: inputs.Input, now_s: float) -> Step:  # noqa: PLR0911 - one answer per input
    match event:
        case inputs.AddTapped(slot=number, sku=sku):
            return take_card(state, number, sku, now_s)
        case inputs.NotNowTapped(slot=number, sku=sku):
            return dismiss_card(state, number, sku, now_s)
        case inputs.BringTapped(slot=number, sku=sku):
            return take_bring(state, number, sku, now_s)
        case inputs.FoundTapped(sku=sku):
            return add_found(state, sku, now_s)
        case inputs.UndoTapped():
            return undo(state, now_s)
        case inputs.StopTapped() | inputs.StopClosed():
            return tap_stop(state, now_s) if isinstance(event, inputs.StopTapped) else (close_stop(state), ())
        case _:
            return _take_look_or_keys(state, event, now_s)


def _take_look_or_keys(before: State, event: inputs.Input, now_s: float) -> Step:
    """A person who opens the look-up panel, or scans something into it, wants to see that."""
    state, effects = _take_look(before, event, now_s)
    if isinstance(event, _LOOKS) and state.look is not None and state.look is not before.look:
        state = close_stop(state)
    return state, effects


def _take_look(state: State, event: inputs.Input, now_s: float) -> Step:  # noqa: PLR0911 - one answer per input
    match event:
        case inputs.LookOpened():
            return open_look(state, now_s)
        case inputs.LookClosed():
            return replace(state, look=None), ()
        case inputs.LetterTapped(letter=text):
            return letter(state, text, now_s)
        case inputs.Erased():
            return erase(state, now_s)
        case inputs.KeyPressed(key=key, at_s=at_s):
            return key_pressed(state, key, at_s, now_s)
        case inputs.KeysRested(at_s=at_s):
            return keys_rested(state, at_s, now_s)
        case inputs.Found(query=query, products=products):
            return take_found(state, query, products), ()
        case inputs.CodeFound(gtin=gtin, products=products):
            return take_code(state, gtin, products, now_s), ()
        case _:
            return state, ()


def _take_agent(state: State, event: inputs.AgentCameUp | inputs.AgentWentDown, now_s: float) -> Step:
    match event:
        case inputs.AgentCameUp():
            # Versions count within one run of the agent, and this may be another: ask anew.
            state = replace(state, agent=Agent.UP, agent_since=None, asking=None, decided_for=None)
            state, refreshed = refresh_now(state, now_s)
            state, asked = ask_if_due(state, now_s)
            return state, (*refreshed, *asked, *follow_pending(state))
        case inputs.AgentWentDown(at=at):
            if state.agent is Agent.DOWN:
                return state, ()
            return replace(state, agent=Agent.DOWN, agent_since=at, asking=None, in_flight=""), ()


def _take_post(
    state: State,
    event: inputs.PostTaken | inputs.PostDone | inputs.PostReturned | inputs.PostRefused,
    now_s: float,
) -> Step:
    if isinstance(event, inputs.PostTaken):
        return replace(state, in_flight=event.id), ()
    state = replace(state, in_flight="")
    match event:
        case inputs.PostDone(id=post_id, request=None):
            return drop_post(end_bring(state, post_id, now_s), post_id), ()
        case inputs.PostDone(id=post_id, request=request):
            assert request is not None, "the other case"
            state = take_request(drop_post(state, post_id), request, now_s)
            add = state.add_of(post_id)
            pending = add is not None and add.state is AddState.PENDING
            return state, tuple(follow for follow in follow_pending(state) if pending and follow.request_id == post_id)
        case inputs.PostRefused(id=post_id, detail=detail):
            return refuse_post(end_bring(state, post_id, now_s, event), post_id, detail, now_s), ()
        case inputs.PostReturned(id=post_id):
            return return_post(state, post_id), ()


def _take_vehicles(
    state: State,
    event: inputs.StatusSeen | inputs.VehiclesSeen | inputs.StopTold | inputs.StopUntold,
    now_s: float,
) -> State:
    match event:
        case inputs.StatusSeen(status=status):
            return _take_status(state, status, now_s)
        case inputs.VehiclesSeen(vehicles=vehicles):
            return see_vehicles(state, vehicles, now_s)
        case _:
            return end_stop(state, event, now_s)


def _take_status(state: State, status: AgentStatus, now_s: float) -> State:
    return replace(
        see_vehicles(state, status.vehicles, now_s),
        link=status.link.state,
        link_since=status.link.since,
        waiting=status.log.waiting,
        storage=status.storage.state,
        catalogue_size=status.products,
    )


def _take_shelf(before: State, event: inputs.ProductsSeen | inputs.ShelfChanged, now_s: float) -> Step:
    """A name that was missing may make a suggestion showable."""
    if isinstance(event, inputs.ShelfChanged):
        return refresh_now(before, now_s)
    state = remember(before, event.products)
    if state is before or state.decision is None or state.open_basket is None:
        return state, ()
    return fill_slots(state, now_s), ()


def _tick(state: State, now_s: float) -> Step:
    state = tick_stop(tell_search(end_busy_slots(state, now_s), now_s), now_s)
    if state.undo is not None and now_s >= state.undo.until_s:
        state = replace(state, undo=None)
    if state.notice is not None and now_s >= state.notice.until_s:
        state = replace(state, notice=None)
    if now_s - state.touched_s >= state.idle_s:
        state = replace(state, look=None, attract=state.face is Face.CUSTOMER and state.open_basket is None)
    state, refreshed = refresh_products(state, now_s)
    asked: Step = (state, ()) if now_s - state.asked_s < ASK_AGAIN_S else ask_if_due(state, now_s)
    return asked[0], (*refreshed, *asked[1])
