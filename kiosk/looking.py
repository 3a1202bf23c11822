"""The look-up panel: search while typing, and what the scanner reads on every screen."""

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from kiosk.documents import Product
from kiosk.effects import Effect, Find, FindCode, Step
from kiosk.state import Agent, Look, Note, Post, State, number_id
from kiosk.suggestions import remember, say
from kiosk.wedge import ENTER, Misread, Scan, Typed, late, press

__all__ = ["erase", "key_pressed", "keys_rested", "letter", "open_look", "take_code", "take_found", "tell_search"]

QUERY_CHARS_MAX: Final = 40
QUERY_CHARS_MIN: Final = 2  # one letter finds half the shop
TOLD_AFTER_S: Final = 1.0  # a query that rests this long was meant
BACKSPACE: Final = "\b"


def open_look(state: State, now_s: float) -> Step:
    """An empty panel, ready for typing."""
    return replace(state, look=Look(changed_s=now_s)), ()


def letter(state: State, text: str, now_s: float) -> Step:
    """One more letter of the query."""
    if state.look is None or not text.isprintable():
        return state, ()
    return _with_query(state, (state.look.query + text)[:QUERY_CHARS_MAX].lstrip(), now_s)


def erase(state: State, now_s: float) -> Step:
    """One letter less."""
    if state.look is None:
        return state, ()
    return _with_query(state, state.look.query[:-1], now_s)


def take_found(state: State, query: str, products: Iterable[Product]) -> State:
    """What was found; an answer to an older query comes too late."""
    if state.look is None or state.look.gtin or state.look.query != query:
        return state
    products = tuple(products)
    found = tuple(product.sku for product in products)
    return replace(remember(state, products), look=replace(state.look, found=found, told=False))


def take_code(state: State, gtin: str, products: Iterable[Product], now_s: float) -> State:
    """The product of the last scanned code, or that nobody knows it."""
    if state.look is None or state.look.gtin != gtin:
        return state
    products = tuple(products)
    found = tuple(product.sku for product in products)
    look = replace(state.look, found=found)
    state = replace(remember(state, products), look=look)
    if found or state.agent is not Agent.UP:
        return state
    return say(replace(state, look=replace(look, told=False)), Note.UNKNOWN_CODE, gtin, now_s)


def key_pressed(state: State, key: str, at_s: float, now_s: float) -> Step:
    """One key, from a scanner or from a person; `at_s` is the keys' own clock."""
    wedge, told = press(state.wedge, key, at_s)
    return _take_told(replace(state, wedge=wedge), told, now_s)


def keys_rested(state: State, at_s: float, now_s: float) -> Step:
    """Keys that were held back for too long were typed by a person."""
    wedge, told = late(state.wedge, at_s)
    return _take_told(replace(state, wedge=wedge), told, now_s) if told else (state, ())


def tell_search(state: State, now_s: float) -> State:
    """Queues the event of a search that rested, found something or not."""
    look = state.look
    if look is None or look.told or look.found is None or now_s - look.changed_s < TOLD_AFTER_S:
        return state
    state, event_id = number_id(replace(state, look=replace(look, told=True)))
    words: dict[str, str | int] = {"till_id": state.till_id, "query": look.gtin or look.query}
    if look.found:
        words["results"] = len(look.found)
    event = {"type": "kiosk.search.v1" if look.found else "kiosk.no_result.v1", "id": event_id, "data": words}
    return replace(state, posts=(*state.posts, Post(event_id, "/v1/events", MappingProxyType(event), tap=False)))


def _take_told(state: State, told: Iterable[Scan | Misread | Typed], now_s: float) -> Step:
    effects: tuple[Effect, ...] = ()
    for item in told:
        match item:
            case Scan(gtin=gtin):
                state = replace(state, look=Look(gtin=gtin, found=None, changed_s=now_s), attract=False)
                effects = (*effects, FindCode(gtin))
            case Misread(text=text):
                state = say(state, Note.MISREAD, text[:QUERY_CHARS_MAX], now_s)
            case Typed(text=text):
                state, more = _type(state, text, now_s)
                effects = (*effects, *more)
    return state, effects


def _type(state: State, text: str, now_s: float) -> Step:
    effects: tuple[Effect, ...] = ()
    for key in text:
        if key == BACKSPACE:
            state, effects = erase(state, now_s)
        elif key != ENTER:
            state, effects = letter(state, key, now_s)
    return state, effects


def _with_query(state: State, query: str, now_s: float) -> Step:
    if len(query.strip()) < QUERY_CHARS_MIN:
        return replace(state, look=Look(query=query, changed_s=now_s)), ()
    assert state.look is not None, "somebody types into it"
    shown = state.look.found or ()  # the older answer stays until the new one is there: nothing flickers
    return replace(state, look=Look(query=query, found=shown, changed_s=now_s)), (Find(query),)
