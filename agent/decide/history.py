"""Past sales as a stream of baskets: from a CSV file (RFC 4180, UTF-8) with `ts,basket,customer,sku,qty,price`.

`ts` is ISO 8601, UTC where it has no offset; `customer` may be empty; `price` is not looked at, and other columns are
ignored. The lines of a basket stand within 50,000 lines of each other, so that a history of any length is read
in the same memory.
"""

import csv
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter, ValidationError

from agent.errors import CallerError, Problem
from agent.event_fields import Key

__all__ = ["HISTORY_COLUMNS", "HistoryRefused", "SoldBasket", "SoldLine", "group_lines", "read_history"]

HISTORY_COLUMNS: Final = ("ts", "basket", "customer", "sku", "qty")
OPEN_LINES: Final = 50_000
CUSTOMER_CHARS_MAX: Final = 256
ROW_CHARS_MAX: Final = 4_096

_KEY: Final[TypeAdapter[str]] = TypeAdapter(Key)


class HistoryRefused(CallerError):
    """A history file with a mistake; the problem's path is `file:line column`. What stood before it was taken."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problems = (problem,)


@dataclass(frozen=True, slots=True)
class SoldLine:
    """One product in one basket. `customer` is the raw id; `store` tells shops of one history apart."""

    at_s: float
    basket: str
    customer: str | None
    sku: str
    store: int = 0


@dataclass(frozen=True, slots=True)
class SoldBasket:
    """One basket of the past, each product once."""

    id: str
    at_s: float
    customer: str | None
    skus: tuple[str, ...]
    store: int = 0


@dataclass(slots=True)
class _Open:
    first: SoldLine
    last_line: int
    skus: dict[str, None] = field(default_factory=dict)


def read_history(rows: Iterable[str], name: str) -> Iterator[SoldLine]:
    """The sold lines of a CSV text; problems call it `name`. Lines with a quantity of 0 or less (returns) pass by.

    Raises:
        HistoryRefused: at the first mistake.
    """
    reader = csv.reader(rows, strict=True)
    try:
        places = _places(next(reader, []), name)
        for fields in reader:
            if fields:
                line = _line(fields, places, f"{name}:{reader.line_num}")
                if line is not None:
                    yield line
    except csv.Error as error:
        raise HistoryRefused(Problem(f"{name}:{reader.line_num}", f"not CSV: {error}", "RFC 4180")) from None
    except UnicodeDecodeError:
        raise HistoryRefused(Problem(f"{name}:{reader.line_num + 1}", "not UTF-8", "a file saved as UTF-8")) from None


def group_lines(lines: Iterable[SoldLine], open_lines: int = OPEN_LINES) -> Iterator[SoldBasket]:
    """The baskets that lines make; a basket ends when none of its lines came for `open_lines` lines."""
    found: OrderedDict[str, _Open] = OrderedDict()
    for number, line in enumerate(lines):
        basket = found.get(line.basket)
        if basket is None:
            basket = found[line.basket] = _Open(line, number)
        basket.last_line = number
        found.move_to_end(line.basket)
        basket.skus[line.sku] = None
        oldest = next(iter(found.values()))
        if number - oldest.last_line >= open_lines:
            yield _closed(found.popitem(last=False)[1])
    yield from map(_closed, found.values())


def _closed(basket: _Open) -> SoldBasket:
    first = basket.first
    return SoldBasket(first.basket, first.at_s, first.customer, tuple(basket.skus), first.store)


def _places(header: list[str], name: str) -> dict[str, int]:
    names = [cell.strip().lower().removeprefix("\ufeff") for cell in header]
    for column in HISTORY_COLUMNS:
        if names.count(column) != 1:
            wish = "a header line such as " + ",".join((*HISTORY_COLUMNS, "price"))
            raise HistoryRefused(Problem(f"{name}:1 {column}", "not once in the header", wish))
    return {column: names.index(column) for column in HISTORY_COLUMNS}


def _line(fields: list[str], places: Mapping[str, int], where: str) -> SoldLine | None:
    if len(fields) <= max(places.values()):
        raise HistoryRefused(Problem(where, f"{len(fields)} fields", "as many as in the header"))
    text = {column: fields[place].strip() for column, place in places.items()}
    for column in ("basket", "sku"):
        _check_key(text[column], f"{where} {column}")
    if len(text["customer"]) > CUSTOMER_CHARS_MAX:
        raise HistoryRefused(Problem(f"{where} customer", "too long", f"at most {CUSTOMER_CHARS_MAX} characters"))
    if _quantity(text["qty"], f"{where} qty") <= 0:
        return None
    return SoldLine(_moment_s(text["ts"], f"{where} ts"), text["basket"], text["customer"] or None, text["sku"])


def _check_key(text: str, where: str) -> None:
    try:
        _KEY.validate_python(text)
    except ValidationError:
        raise HistoryRefused(Problem(where, "not an id", "1 to 80 letters, digits or . : @ _ -")) from None


def _quantity(text: str, where: str) -> float:
    try:
        quantity = float(text)
    except ValueError:
        quantity = float("nan")
    if not -1e9 < quantity < 1e9:
        raise HistoryRefused(Problem(where, "not a quantity", "a number such as 2 or 0.345"))
    return quantity


def _moment_s(text: str, where: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise HistoryRefused(Problem(where, "not a moment", "ISO 8601, such as 2026-03-06T17:42:00+02:00")) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
