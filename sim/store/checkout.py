"""What happens at a till for one basket: timed scans, the odd void, the sale or a return. Pure and seeded.

The sale is always exactly the basket: a voided line was scanned twice by mistake, or is scanned again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from sim.store.actions import TillAction
from sim.store.baskets import Basket, Line
from sim.store.business_day import business_day_of
from sim.store.money import amount_text
from sim.store.randomness import seeded

__all__ = ["Checkout", "Workplace"]

GREETING_MS: Final = (2_000, 8_000)
SCAN_MS: Final = (3_000, 6_000)
VOID_MS: Final = (1_500, 4_000)
PAYMENT_MS: Final = (12_000, 40_000)
RETURN_MS: Final = (60_000, 180_000)

RESCAN_SHARE: Final = 0.005  # of lines: voided and scanned again
DOUBLE_SCAN_SHARE: Final = 0.005  # of lines: scanned twice, one of the two voided
KEYED_SHARE: Final = 0.02  # of lines: typed in

CARD_SHARE: Final = 0.70
CASH_SHARE: Final = 0.25  # the rest pays a part with a voucher
VOUCHER: Final = Decimal("5.00")


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a checkout takes place."""

    till_id: str
    operator_id: str
    currency: str
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class _Entry:
    """A scan or a void, so many milliseconds after the start."""

    offset_ms: int
    kind: str
    number: int
    line: Line
    note: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """One basket rung up, or one line of it brought back; the same seed, the same checkout, at any till and time."""

    basket: Basket
    seed: int
    entries: tuple[_Entry, ...]
    duration: timedelta
    tenders: tuple[Mapping[str, str], ...]
    is_return: bool = False

    @classmethod
    def sale_of(cls, basket: Basket, seed: int) -> "Checkout":
        """The sale of the whole basket."""
        random = seeded(seed, "sale", basket.id)
        entries = tuple(_entries(basket, random))
        duration_ms = entries[-1].offset_ms + random.randint(*PAYMENT_MS)
        return cls(basket, seed, entries, timedelta(milliseconds=duration_ms), _tenders(basket.total, random))

    @classmethod
    def return_of(cls, basket: Basket, seed: int) -> "Checkout":
        """One line of the basket, chosen by the seed, comes back."""
        random = seeded(seed, "return", basket.id)
        line = random.choice(basket.lines)
        reason = random.choice(("quality", "wrong article", "not needed"))
        entry = _Entry(random.randint(*RETURN_MS), "return", 1, line, reason)
        return cls(basket, seed, (entry,), timedelta(milliseconds=entry.offset_ms), (), is_return=True)

    @property
    def cash(self) -> Decimal:
        """What this checkout puts into the drawer."""
        paid = (Decimal(tender["amount"]) for tender in self.tenders if tender["tender_type"] == "cash")
        return sum(paid, Decimal(0))

    def actions(self, starts_at: datetime, place: Workplace) -> Iterator[TillAction]:
        """The events in order, the last one being the sale or the return."""
        if self.is_return:
            yield self._return(starts_at + self.duration, place)
            return
        kept: dict[int, Line] = {}
        for entry in self.entries:
            at = starts_at + timedelta(milliseconds=entry.offset_ms)
            if entry.kind == "scan":
                kept[entry.number] = entry.line
                yield self._scan(at, entry, place)
            else:
                del kept[entry.number]
                yield self._void(at, entry, place)
        yield self._sale(starts_at + self.duration, kept, place)

    def _scan(self, at: datetime, entry: _Entry, place: Workplace) -> TillAction:
        line = entry.line
        data = {
            "till_id": place.till_id,
            "basket_id": self.basket.id,
            "line": entry.number,
            "sku": line.sku,
            **_gtin(line),
            "description": line.name,
            "quantity": line.quantity,
            "actual_unit_price": line.actual_unit_price,
            "currency": place.currency,
            "entry_method": entry.note,
            "operator_id": place.operator_id,
        }
        return self._action(at, place, "pos.scan.v1", data, f"scan:{entry.number}", customer=True)

    def _void(self, at: datetime, entry: _Entry, place: Workplace) -> TillAction:
        data = {
            "till_id": place.till_id,
            "basket_id": self.basket.id,
            "line": entry.number,
            "reason": entry.note,
            "operator_id": place.operator_id,
        }
        return self._action(at, place, "pos.void.v1", data, f"void:{entry.number}", customer=False)

    def _sale(self, at: datetime, kept: Mapping[int, Line], place: Workplace) -> TillAction:
        data = {
            "till_id": place.till_id,
            "basket_id": self.basket.id,
            "business_day": business_day_of(at, place.zone).isoformat(),
            "items": [_item(number, line) for number, line in kept.items()],
            "total": self.basket.total,
            "currency": place.currency,
            "tenders": [dict(tender) for tender in self.tenders],
            "operator_id": place.operator_id,
        }
        return self._action(at, place, "pos.sale.v1", data, "sale", customer=True)

    def _return(self, at: datetime, place: Workplace) -> TillAction:
        (entry,) = self.entries
        data = {
            "till_id": place.till_id,
            "basket_id": f"{self.basket.id}-return",
            "original_basket_id": self.basket.id,
            "business_day": business_day_of(at, place.zone).isoformat(),
            "items": [_item(1, entry.line)],
            "total": entry.line.extended_amount,
            "currency": place.currency,
            "reason": entry.note,
            "operator_id": place.operator_id,
        }
        return self._action(at, place, "pos.return.v1", data, "return", customer=True)

    def _action(
        self, at: datetime, place: Workplace, type_name: str, data: dict[str, Any], name: str, *, customer: bool
    ) -> TillAction:
        event_id = f"{self.seed}:{self.basket.id}:{name}"
        return TillAction(at, place.till_id, type_name, data, event_id, self.basket.customer if customer else None)


def _entries(basket: Basket, random: Random) -> Iterator[_Entry]:
    offset_ms = random.randint(*GREETING_MS)
    number = 0
    for line in basket.lines:
        chance = random.random()
        times = 2 if chance < RESCAN_SHARE + DOUBLE_SCAN_SHARE else 1
        for time in range(times):
            offset_ms += random.randint(*SCAN_MS)
            number += 1
            yield _Entry(offset_ms, "scan", number, line, "keyed" if random.random() < KEYED_SHARE else "scanned")
            if times == 2 and (time == 0) == (chance < RESCAN_SHARE):
                offset_ms += random.randint(*VOID_MS)
                yield _Entry(offset_ms, "void", number, line, "wrong entry" if time == 0 else "scanned twice")


def _tenders(total: str, random: Random) -> tuple[Mapping[str, str], ...]:
    """How the exact total is paid; nothing to pay, no tender."""
    due = Decimal(total)
    chance = random.random()
    if due == 0:
        return ()
    if chance < CARD_SHARE or due <= VOUCHER:
        return ({"tender_type": "card", "amount": total},)
    if chance < CARD_SHARE + CASH_SHARE:
        return ({"tender_type": "cash", "amount": total},)
    rest = amount_text(due - VOUCHER)
    return ({"tender_type": "voucher", "amount": amount_text(VOUCHER)}, {"tender_type": "card", "amount": rest})


def _item(number: int, line: Line) -> dict[str, Any]:
    return {
        "line": number,
        "sku": line.sku,
        **_gtin(line),
        "quantity": line.quantity,
        "regular_unit_price": line.unit_price,
        "actual_unit_price": line.actual_unit_price,
        "extended_amount": line.extended_amount,
    }


def _gtin(line: Line) -> dict[str, str]:
    return {"gtin": line.gtin} if line.gtin is not None else {}
