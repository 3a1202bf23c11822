"""The baskets of a day spread over tills: who serves whom and when, with the shifts of the operators.

Pure and seeded. A basket goes to a till that is free, else it waits for the one that is free first; two baskets
never overlap at a till. The actions of a till are made as they are read, so a long stretch costs little memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import Any, Final
from zoneinfo import ZoneInfo

from sim.store.actions import TillAction
from sim.store.baskets import Basket
from sim.store.business_day import business_day_of, day_start
from sim.store.checkout import Checkout, Workplace
from sim.store.money import amount_text
from sim.store.randomness import seeded

__all__ = ["TILLS_MAX", "TillSchedule", "Visit", "schedule_tills"]

TILLS_MAX: Final = 99
TILLS_DEFAULT: Final = 12

BETWEEN_VISITS: Final = timedelta(seconds=5)  # the next customer steps up; also where shifts change
SHIFT_LENGTH: Final = timedelta(hours=8)
SHIFT_OPENS_BEFORE: Final = timedelta(minutes=5)
TICK: Final = timedelta(seconds=1)
DRAWER: Final = Decimal("200.00")  # change that lies in the drawer when a shift opens

RETURN_SHARE: Final = 0.003  # of baskets
RETURN_AFTER_MINUTES: Final = (20, 180)


@dataclass(frozen=True, slots=True)
class Visit:
    """One customer at one till: a basket to be paid, or, with `is_return`, a line of it brought back."""

    starts_at: datetime
    ends_at: datetime
    basket: Basket
    is_return: bool


@dataclass(frozen=True, slots=True)
class TillSchedule:
    """What one till does, in order."""

    till_id: str
    visits: tuple[Visit, ...]
    seed: int
    currency: str
    zone: ZoneInfo

    def actions(self) -> Iterator[TillAction]:
        """Every event of the till by time: shifts opened and closed around the visits."""
        shift: _Shift | None = None
        free_at = datetime.min.replace(tzinfo=UTC)
        for visit in self.visits:
            if shift is not None and self._is_over(shift, visit):
                free_at += TICK
                yield shift.close(free_at)
                shift = None
            if shift is None:
                day_begins = day_start(business_day_of(visit.starts_at, self.zone), self.zone)
                shift = _Shift(self, max(free_at + TICK, visit.starts_at - SHIFT_OPENS_BEFORE, day_begins))
                yield shift.open()
            checkout = _checkout(visit.basket, self.seed, is_return=visit.is_return)
            shift.cash += checkout.cash
            yield from checkout.actions(visit.starts_at, shift.place)
            free_at = visit.ends_at
        if shift is not None:
            yield shift.close(free_at + TICK)

    def _is_over(self, shift: "_Shift", visit: Visit) -> bool:
        is_another_day = business_day_of(shift.opened_at, self.zone) != business_day_of(visit.starts_at, self.zone)
        return is_another_day or visit.starts_at - shift.opened_at >= SHIFT_LENGTH


class _Shift:
    """An operator at a till, and the cash in the drawer."""

    def __init__(self, till: TillSchedule, opened_at: datetime) -> None:
        crew = ("night", "day", "late")[opened_at.astimezone(till.zone).hour // 8]
        operator_id = f"op-{till.till_id.removeprefix('till-')}-{crew}"
        self.place = Workplace(till.till_id, operator_id, till.currency, till.zone)
        self.opened_at = opened_at
        self.cash = DRAWER
        self._seed = till.seed

    def open(self) -> TillAction:
        return self._action(self.opened_at, "opened")

    def close(self, at: datetime) -> TillAction:
        return self._action(at, "closed")

    def _action(self, at: datetime, action: str) -> TillAction:
        data: dict[str, Any] = {  # Any: JSON
            "till_id": self.place.till_id,
            "operator_id": self.place.operator_id,
            "action": action,
            "cash_counted": amount_text(self.cash),
            "currency": self.place.currency,
        }
        name = f"{self._seed}:{self.place.till_id}:{self.opened_at:%Y%m%dT%H%M%S}:{action}"
        return TillAction(at, self.place.till_id, "pos.shift.v1", data, name)


def schedule_tills(
    baskets: Iterable[Basket],
    *,
    tills: int = TILLS_DEFAULT,
    seed: int = 1,
    currency: str = "EUR",
    time_zone: str = "UTC",
) -> tuple[TillSchedule, ...]:
    """The schedule of each till, `till-01` first; the same seed, the same schedules."""
    if not 1 <= tills <= TILLS_MAX:
        raise ValueError(f"{tills} tills; expected 1 to {TILLS_MAX}")
    visits = _assign(baskets, tills, seed)
    zone = ZoneInfo(time_zone)
    return tuple(
        TillSchedule(f"till-{number:02d}", tuple(served), seed, currency, zone)
        for number, served in enumerate(visits, 1)
    )


def _assign(baskets: Iterable[Basket], tills: int, seed: int) -> Sequence[Sequence[Visit]]:
    """The visits of each till. Returns join the queue some time after their sale."""
    random = seeded(seed, "tills")
    free_at = [datetime.min.replace(tzinfo=UTC)] * tills
    visits: list[list[Visit]] = [[] for _ in free_at]
    waiting = [(basket.starts_at, basket.id, False, basket) for basket in baskets]
    heapify(waiting)
    while waiting:
        arrives_at, _, is_return, basket = heappop(waiting)
        free = [till for till in range(tills) if free_at[till] <= arrives_at]
        till = random.choice(free) if free else min(range(tills), key=free_at.__getitem__)
        starts_at = max(arrives_at, free_at[till])
        ends_at = starts_at + _checkout(basket, seed, is_return=is_return).duration
        visits[till].append(Visit(starts_at, ends_at, basket, is_return))
        free_at[till] = ends_at + BETWEEN_VISITS
        if not is_return and random.random() < RETURN_SHARE:
            back_at = ends_at + timedelta(minutes=random.randint(*RETURN_AFTER_MINUTES))
            heappush(waiting, (back_at, basket.id, True, basket))
    return visits


def _checkout(basket: Basket, seed: int, *, is_return: bool) -> Checkout:
    return Checkout.return_of(basket, seed) if is_return else Checkout.sale_of(basket, seed)
