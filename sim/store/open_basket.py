"""A basket at a till beside a kiosk: follows the historic basket, and what the kiosk puts in belongs to the sale. Pure.

An item that the kiosk put in is not scanned once more: the customer had it in the trolley.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sim.store.actions import TillAction
from sim.store.baskets import Product
from sim.store.money import amount_text, total_text

__all__ = ["KIOSK_LINES_FROM", "OpenBasket"]

KIOSK_LINES_FROM: Final = 501
"""The first line number of what a kiosk puts in: the historic lines keep theirs."""

Json = Any  # Any: JSON


class OpenBasket:
    """From the first scan to the payment; the historic basket's actions go in, what the till really does comes out."""

    def __init__(self, first_scan: TillAction) -> None:
        self.basket_id: Final[str] = first_scan.data["basket_id"]
        self._first = first_scan
        self._lines: dict[int, str] = {}
        self._amounts: dict[int, Decimal] = {}
        self._added: dict[int, Json] = {}
        self._skipped: set[int] = set()
        self._next_line = KIOSK_LINES_FROM

    @property
    def lines(self) -> int:
        """How many lines are in it now."""
        return len(self._lines)

    @property
    def total(self) -> Decimal:
        """What they cost, as scanned."""
        return sum(self._amounts.values(), Decimal(0))

    @property
    def skus(self) -> frozenset[str]:
        """What is in it now."""
        return frozenset(self._lines.values())

    def scan(self, action: TillAction) -> TillAction | None:
        """The scan, or None when the kiosk has put this item in already."""
        line, sku = action.data["line"], action.data["sku"]
        if sku in {item["sku"] for item in self._added.values()}:
            self._skipped.add(line)
            return None
        self._put(line, action.data)
        return action

    def void(self, action: TillAction) -> TillAction | None:
        """The void, or None for a line that was never scanned."""
        line = action.data["line"]
        if line in self._skipped:
            return None
        self._take_out(line)
        return action

    def add(self, product: Product, quantity: str, unit_price: str, at: datetime, request_id: str) -> TillAction:
        """The till puts in what the kiosk asked for."""
        line, self._next_line = self._next_line, self._next_line + 1
        amount = amount_text(Decimal(unit_price) * Decimal(quantity))
        code = {"gtin": product.gtin} if product.gtin is not None else {}
        item = {"line": line, "sku": product.sku, **code, "quantity": quantity}
        prices = {"regular_unit_price": product.price, "actual_unit_price": unit_price, "extended_amount": amount}
        self._added[line] = item | prices
        kept = {name: self._first.data[name] for name in ("till_id", "basket_id", "currency", "operator_id")}
        said = {"description": product.name, "actual_unit_price": unit_price, "entry_method": "kiosk"}
        data = kept | item | said
        self._put(line, data)
        return replace(self._first, at=at, data=data, event_id=f"{request_id}:add")

    def take_back(self, sku: str, at: datetime, request_id: str) -> TillAction | None:
        """The till takes one line of this product out again; None when there is none."""
        line = next((line for line, known in reversed(self._lines.items()) if known == sku), None)
        if line is None:
            return None
        self._take_out(line)
        kept = {name: self._first.data[name] for name in ("till_id", "basket_id", "operator_id")}
        data = kept | {"line": line, "reason": "taken back at the kiosk"}
        return replace(
            self._first, at=at, type="pos.void.v1", data=data, event_id=f"{request_id}:remove", raw_customer=None
        )

    def pay(self, action: TillAction) -> TillAction:
        """The sale of exactly what is in the basket; with nothing left in it, a void of the whole."""
        historic = [item for item in action.data["items"] if item["line"] in self._lines]
        items = [*historic, *self._added.values()]
        if not items:
            data = {name: action.data[name] for name in ("till_id", "basket_id", "operator_id")}
            return replace(action, type="pos.void.v1", data=data | {"reason": "nothing left"}, raw_customer=None)
        total = total_text(item["extended_amount"] for item in items)
        tenders = _tenders(action.data["tenders"], total)
        return replace(action, data=action.data | {"items": items, "total": total, "tenders": tenders})

    def _put(self, line: int, data: Json) -> None:
        self._lines[line] = data["sku"]
        self._amounts[line] = Decimal(data["actual_unit_price"]) * Decimal(data["quantity"])

    def _take_out(self, line: int) -> None:
        del self._lines[line], self._amounts[line]
        self._added.pop(line, None)


def _tenders(tenders: list[Json], total: str) -> list[Json]:
    """As the customer meant to pay; another total is paid in one go, the way the last part would have been."""
    if sum((Decimal(tender["amount"]) for tender in tenders), Decimal(0)) == Decimal(total):
        return tenders
    kind = tenders[-1]["tender_type"] if tenders else "card"
    return [{"tender_type": kind, "amount": total}] if Decimal(total) else []
