"""Which customers go to the tills with a kiosk. Pure.

There people scan, look and tap at their own pace however fast the day is played: such a till serves few baskets, and
the other tills serve the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sim.store.baskets import Basket, SalesSource
from sim.store.checkout import Checkout
from sim.store.schedule import TillSchedule, Visit

__all__ = ["LINE_S", "PAYING_S", "Crowd", "set_apart"]

LINES_MIN: Final = 4  # below that there is nothing to suggest from
LINES_MAX: Final = 18
LINE_S: Final = 0.75
"""Real seconds for a line with a look at the cards, and the odd tap."""
PAYING_S: Final = 2.0
RESERVE_S: Final = 5.0  # before the day's end: a till that is behind must not sell into the next day


@dataclass(frozen=True, slots=True)
class Crowd:
    """The schedules of the tills with a kiosk, and the baskets for all others."""

    attended: tuple[TillSchedule, ...]
    others: tuple[Basket, ...]


def set_apart(source: SalesSource, till_ids: Sequence[str], *, seed: int, speed: float) -> Crowd:
    """Gives each of these tills the next basket that fits whenever it is free."""
    free_at = [datetime.min.replace(tzinfo=UTC)] * len(till_ids)
    visits: list[list[Visit]] = [[] for _ in till_ids]
    others = []
    last_end = source.ends_at - timedelta(seconds=RESERVE_S * speed)
    for basket in source.baskets():
        ends_at = basket.starts_at + _length(basket, seed, speed)
        till = next((till for till, free in enumerate(free_at) if free <= basket.starts_at), None)
        if till is None or ends_at > last_end or not LINES_MIN <= len(basket.lines) <= LINES_MAX:
            others.append(basket)
        else:
            visits[till].append(Visit(basket.starts_at, ends_at, basket, is_return=False))
            free_at[till] = ends_at
    schedules = (
        TillSchedule(till_id, tuple(served), seed, source.currency, source.zone)
        for till_id, served in zip(till_ids, visits, strict=True)
    )
    return Crowd(tuple(schedules), tuple(others))


def _length(basket: Basket, seed: int, speed: float) -> timedelta:
    """In shop time; never shorter than the checkout itself."""
    at_hand = timedelta(seconds=(len(basket.lines) * LINE_S + PAYING_S) * speed)
    return max(at_hand, Checkout.sale_of(basket, seed).duration)
