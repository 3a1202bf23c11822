"""The tills' baskets, mirrored from committed scan, void and sale events. It knows no log, no sockets and no clock.

The till owns the basket; this is a copy to look at. Rules, in the order in which they matter:
a paid or voided basket is final, and a late event for it changes nothing; the basket an event names becomes the
till's current one; a basket laid aside for another keeps its lines, so that it can be taken up again.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.event_types import TYPE_PREFIX, EventData, LineItem, PosSale, PosScan, PosVoid
from agent.events import Draft

__all__ = ["Basket", "BasketBoard", "BasketItem", "decimal_places"]

TILLS_MAX: Final = 1_000
OPEN_BASKETS_PER_TILL_MAX: Final = 8  # the current one, and those laid aside for another customer
FINISHED_BASKETS_PER_TILL_MAX: Final = 32  # ids only, so that a late retry does not open a paid basket again
LINES_PER_BASKET_MAX: Final = 1_000  # what one pos.sale.v1 can hold
LINES_MAX: Final = 100_000  # over all tills, about 100 MB at worst; the tills longest idle go first

_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)  # 12 + 3 digits times 12 + 4, summed: never inexact
_MODELS: Final[dict[str, type[EventData]]] = {
    "pos.scan.v1": PosScan,
    "pos.void.v1": PosVoid,
    "pos.sale.v1": PosSale,
}
# ISO 4217, table A.1: the currencies whose minor unit is not 1/100.
_WHOLE_UNITS: Final = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)
_DECIMAL_PLACES: Final[dict[str, int]] = {
    **dict.fromkeys(_WHOLE_UNITS, 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def decimal_places(currency: str) -> int:
    """How many decimals amounts of a currency have (ISO 4217)."""
    return _DECIMAL_PLACES.get(currency, 2)


class BasketItem(BaseModel):
    """One line of a mirrored basket."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: int
    sku: str
    gtin: str | None
    description: str | None
    quantity: str
    actual_unit_price: str
    extended_amount: str


class Basket(BaseModel):
    """What one till has in hand. `version` grows with every change within one run of the agent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    till_id: str
    basket_id: str
    version: int
    items: tuple[BasketItem, ...]
    total: str
    currency: str | None
    customer_id: str | None
    status: Literal["open", "paid", "voided"]
    updated: str


class BasketBoard:
    """One mirrored basket per till; feed it with every committed event."""

    def __init__(self, *, tills_max: int = TILLS_MAX, lines_max: int = LINES_MAX) -> None:
        self._tills_max = tills_max
        self._lines_max = lines_max
        self._tills: OrderedDict[str, _Till] = OrderedDict()  # the longest idle first
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._version = 0
        self._lines = 0

    def on_commit(self, drafts: Sequence[Draft]) -> None:
        """Takes what the log has just committed; other event types pass by."""
        for draft in drafts:
            if draft.type in _MODELS:
                self.apply(draft.data, draft.time)

    def restore(self, bodies: Iterable[bytes]) -> int:
        """Takes stored CloudEvents, oldest first, as after a restart; tells how many counted."""
        return sum(self.apply(*parsed) for parsed in map(_parse_stored, bodies) if parsed is not None)

    def apply(self, data: EventData, time: str) -> bool:
        """Takes one event that happened at `time`; tells whether a basket changed."""
        if not isinstance(data, PosScan | PosVoid | PosSale):
            return False
        till = self._tills.get(data.till_id)
        if till is None:
            till = self._tills[data.till_id] = _Till()
        self._tills.move_to_end(data.till_id)
        lines_before = till.lines
        changed = till.take(data, time)
        self._lines += till.lines - lines_before
        if changed:
            self._version += 1
            till.version = self._version
            till.shown = None
        self._forget_idle()
        if changed:
            for wake in tuple(self._watchers.get(data.till_id, ())):
                wake()
        return changed

    def basket(self, till_id: str) -> Basket | None:
        """The till's current basket, or None for a till that has shown none yet."""
        till = self._tills.get(till_id)
        if till is None or till.current is None:
            return None
        if till.shown is None:
            till.shown = till.current.show(till_id, till.version)
        return till.shown

    def watch(self, till_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Calls `wake` after every change of the till's basket, until the returned function is called."""
        self._watchers.setdefault(till_id, []).append(wake)

        def stop() -> None:
            watchers = self._watchers.get(till_id, [])
            if wake in watchers:
                watchers.remove(wake)
            if not watchers:
                self._watchers.pop(till_id, None)

        return stop

    @property
    def till_ids(self) -> tuple[str, ...]:
        """The tills known, the longest idle first."""
        return tuple(self._tills)

    def _forget_idle(self) -> None:
        while len(self._tills) > 1 and (len(self._tills) > self._tills_max or self._lines > self._lines_max):
            _, till = self._tills.popitem(last=False)
            self._lines -= till.lines


class _Till:
    """One till's baskets: the current one, the open ones by id (the last touched at the end), ids of finished ones."""

    __slots__ = ("current", "finished", "lines", "open", "shown", "version")

    def __init__(self) -> None:
        self.current: _Mirror | None = None
        self.open: OrderedDict[str, _Mirror] = OrderedDict()
        self.finished: OrderedDict[str, None] = OrderedDict()
        self.version = 0
        self.shown: Basket | None = None
        self.lines = 0

    def take(self, data: PosScan | PosVoid | PosSale, time: str) -> bool:
        if data.basket_id in self.finished:
            return False
        mirror = self.open.pop(data.basket_id, None) or _Mirror(data.basket_id)
        self.lines -= mirror.line_count
        mirror.take(data, time)
        self.lines += mirror.line_count
        if self.current is not mirror:
            self._replace_current(mirror)
        if mirror.status == "open":
            self.open[data.basket_id] = mirror
            if len(self.open) > OPEN_BASKETS_PER_TILL_MAX:
                self.lines -= self.open.popitem(last=False)[1].line_count
        else:
            self.finished[data.basket_id] = None
            if len(self.finished) > FINISHED_BASKETS_PER_TILL_MAX:
                self.finished.popitem(last=False)
        return True

    def _replace_current(self, mirror: "_Mirror") -> None:
        if self.current is not None and self.current.status != "open":
            self.lines -= self.current.line_count  # nobody holds a finished basket any more
        self.current = mirror


class _Mirror:
    """One basket, kept as the events that made it; sums are made when somebody looks."""

    __slots__ = ("basket_id", "currency", "customer_id", "sale", "scans", "status", "updated")

    def __init__(self, basket_id: str) -> None:
        self.basket_id = basket_id
        self.status: Literal["open", "paid", "voided"] = "open"
        self.scans: dict[int, PosScan] = {}
        self.sale: PosSale | None = None
        self.currency: str | None = None
        self.customer_id: str | None = None
        self.updated = ""

    @property
    def line_count(self) -> int:
        return len(self.sale.items) if self.sale else len(self.scans)

    def take(self, data: PosScan | PosVoid | PosSale, time: str) -> None:
        self.updated = time
        match data:
            case PosScan():
                self._take_scan(data)
            case PosVoid(line=None):
                self.status = "voided"
                self.scans.clear()
            case PosVoid(line=int(line)):
                self.scans.pop(line, None)
            case PosSale():
                self.status = "paid"
                self.sale = data
                self.scans.clear()
                self.currency = data.currency
                self.customer_id = data.customer_id or self.customer_id

    def show(self, till_id: str, version: int) -> Basket:
        if self.sale is not None:
            items = tuple(_show_line(item, item.extended_amount) for item in self.sale.items)
            total = self.sale.total
        else:
            items = tuple(_show_line(scan, _extended_amount(scan)) for scan in self.scans.values())
            total = _sum_text((item.extended_amount for item in items), self.currency)
        return Basket(
            till_id=till_id,
            basket_id=self.basket_id,
            version=version,
            items=items,
            total=total,
            currency=self.currency,
            customer_id=self.customer_id,
            status=self.status,
            updated=self.updated,
        )

    def _take_scan(self, scan: PosScan) -> None:
        if scan.line in self.scans or len(self.scans) < LINES_PER_BASKET_MAX:
            self.scans[scan.line] = scan
        self.currency = scan.currency
        self.customer_id = scan.customer_id or self.customer_id


def _show_line(line: PosScan | LineItem, extended_amount: str) -> BasketItem:
    return BasketItem(
        line=line.line,
        sku=line.sku,
        gtin=line.gtin,
        description=line.description,
        quantity=line.quantity,
        actual_unit_price=line.actual_unit_price,
        extended_amount=extended_amount,
    )


def _extended_amount(scan: PosScan) -> str:
    return _money_text(_EXACT.multiply(Decimal(scan.quantity), Decimal(scan.actual_unit_price)), scan.currency)


def _sum_text(amounts: Iterable[str], currency: str | None) -> str:
    total = Decimal(0)
    for amount in amounts:
        total = _EXACT.add(total, Decimal(amount))
    return _money_text(total, currency)


def _money_text(amount: Decimal, currency: str | None) -> str:
    places = decimal_places(currency) if currency else 2
    rounded = _EXACT.quantize(amount, Decimal(1).scaleb(-places))
    return f"{abs(rounded) if rounded.is_zero() else rounded:f}"  # a minus sign on nothing helps nobody


def _parse_stored(body: bytes) -> tuple[EventData, str] | None:
    # Any: a stored CloudEvent is JSON whose `data` the model checks; what no longer fits its model passes by.
    event: dict[str, Any] = json.loads(body)
    model = _MODELS.get(event["type"].removeprefix(TYPE_PREFIX))
    if model is None:
        return None
    try:
        return model.model_validate(event["data"]), event["time"]
    except ValidationError:
        return None
