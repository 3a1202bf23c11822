"""Sales from any CSV file (RFC 4180, UTF-8) with the columns `ts,basket,customer,sku,qty,price`, in any order.

`ts` is ISO 8601 (without an offset it is the shop's local time), `customer` may be empty, `price` is what one unit
cost. A column `name` is read too, others are ignored. The lines of a basket need not stand together.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from agent.card_guard import card_data_in, gs1_check_digit_ok
from agent.errors import Problem
from sim.store.barcodes import in_store_gtin
from sim.store.baskets import Basket, Line, Product, SalesSource
from sim.store.business_day import business_day_of
from sim.store.errors import SourceRefused
from sim.store.money import amount_text, unit_price_text

__all__ = ["COLUMNS", "load"]

COLUMNS: Final = ("ts", "basket", "customer", "sku", "qty", "price")

PROBLEMS_MAX: Final = 20
LINES_MAX: Final = 1_000_000  # about 400 MB of baskets in memory
BASKET_LINES_MAX: Final = 250  # a sale of more would not fit into one event of 64 KiB
BASKET_SPAN_MAX: Final = timedelta(hours=12)  # lines further apart are two baskets that share a number
BASKET_CHARS_MAX: Final = 72  # leaves room in an 80-character key for the return of a basket
TOTAL_MAX: Final = Decimal(10**12)

_KEY: Final = re.compile(r"[A-Za-z0-9_.:@-]+")
_QUANTITY: Final = re.compile(r"\d{1,5}(\.\d{1,3})?")
_PRICE: Final = re.compile(r"\d{1,9}(\.\d{1,4})?")


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    at: datetime
    basket: str
    customer: str | None
    line: Line


def load(
    file: Path,
    *,
    time_zone: str = "UTC",
    currency: str = "EUR",
    from_day: date | None = None,
    to_day: date | None = None,
) -> SalesSource:
    """The sales of a file, or those of the business days `from_day` to `to_day` (inclusive).

    Raises:
        SourceRefused: with up to 20 problems, each `FILE:LINE column: problem; expected …, such as …`.
    """
    zone = ZoneInfo(time_zone)
    found = _Findings(file)
    by_basket: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in _rows(file, zone, found):
        by_basket[row.basket].append(row)
    baskets = [_basket(rows, found) for rows in by_basket.values()]
    found.raise_any()
    if not baskets:
        raise SourceRefused(Problem(f"{file}:2", "no lines below the header", "at least one line of a basket"))
    wanted = [
        basket
        for basket in baskets
        if (from_day or date.min) <= business_day_of(basket.starts_at, zone) <= (to_day or date.max)
    ]
    if not wanted:
        days = sorted(business_day_of(basket.starts_at, zone) for basket in baskets)
        raise SourceRefused(
            Problem(f"{file}", f"no baskets from {from_day} to {to_day}", f"days within {days[0]} to {days[-1]}")
        )
    products = {line.sku: _product(line) for basket in wanted for line in basket.lines}
    return SalesSource(f"CSV {file.name}", wanted, products.values(), time_zone=time_zone, currency=currency)


class _Findings:
    """The problems of one file, up to the limit."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._problems: list[Problem] = []

    def add(self, number: int, column: str, problem: str, expected: str) -> None:
        self._problems.append(Problem(f"{self._file}:{number} {column}".rstrip(), problem, expected))
        if len(self._problems) >= PROBLEMS_MAX:
            self.raise_any()

    def raise_any(self) -> None:
        if self._problems:
            raise SourceRefused(*self._problems)


# --- rows --------------------------------------------------------------------------------------------------


def _rows(file: Path, zone: ZoneInfo, found: _Findings) -> Iterator[_Row]:
    """Each readable row; what is wrong with the others goes to `found`."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            places = _places(next(reader, []), found)
            width = max(places.values()) + 1
            number = reader.line_num + 1
            for fields in reader:
                if len(fields) >= width:
                    row = _row(number, {name: fields[place] for name, place in places.items()}, zone, found)
                    if row is not None:
                        yield row
                elif fields:
                    found.add(number, "", f"{len(fields)} fields", f"at least {width}, as in the header")
                if number > LINES_MAX:
                    found.add(number, "", "too many lines", f"at most {LINES_MAX:,} in one file")
                    found.raise_any()
                number = reader.line_num + 1
    except OSError as error:
        raise SourceRefused(Problem(f"{file}", error.strerror or "cannot be read", "a CSV file")) from error
    except UnicodeDecodeError as error:
        raise SourceRefused(Problem(f"{file}:{_line_not_utf8(file)}", "not UTF-8", "a file saved as UTF-8")) from error
    except csv.Error as error:
        found.add(reader.line_num, "", f"not CSV ({error})", 'RFC 4180, such as 2,"Tea, green"')
        found.raise_any()


def _places(header: list[str], found: _Findings) -> dict[str, int]:
    """Where each column stands."""
    names = [name.strip().lower() for name in header]
    example = ",".join(COLUMNS)
    if not any(names):
        found.add(1, "", "an empty file" if not header else "no header", f"a header line such as {example}")
    elif len(names) == 1 and re.search(r"[;\t]", names[0]):
        found.add(1, "", "columns separated by something else than commas", f"commas, such as {example}")
    else:
        for name in COLUMNS:
            if names.count(name) != 1:
                problem = "missing from the header" if name not in names else "twice in the header"
                found.add(1, name, problem, f"a header line such as {example}")
    found.raise_any()
    return {name: names.index(name) for name in (*COLUMNS, "name") if name in names}


def _row(number: int, fields: dict[str, str], zone: ZoneInfo, found: _Findings) -> _Row | None:
    """One checked line; each wrong field is a problem of its own."""
    text = {name: field.strip() for name, field in fields.items()}
    at = _moment(text["ts"], zone)
    price, quantity = text["price"], text["qty"]
    checks = (
        ("ts", at is not None, "not a date and time", "ISO 8601, such as 2026-03-06T17:42:00+02:00"),
        ("basket", _is_key(text["basket"], BASKET_CHARS_MAX), *_key_wish(text["basket"], "R-20260306-0042", 72)),
        ("customer", len(text["customer"]) <= 128 and text["customer"].isprintable(), *_CUSTOMER_WISH),
        ("sku", _is_key(text["sku"], 80), *_key_wish(text["sku"], "104233", 80)),
        ("qty", _is_quantity(quantity), *_quantity_wish(quantity)),
        ("price", bool(_PRICE.fullmatch(price)), "not an amount", "a decimal number of 0 or more, such as 2.49"),
        ("name", _is_name(text.get("name", "")), "not usable as a name", "up to 200 printable characters"),
    )
    wrong = [(column, problem, expected) for column, good, problem, expected in checks if not good]
    for column, problem, expected in wrong:
        found.add(number, column, problem if text[column] else "empty", expected)
    if wrong or at is None:
        return None
    line = Line(
        sku=text["sku"],
        gtin=_gtin(text["sku"]),
        name=text.get("name") or f"Article {text['sku']}",
        quantity=quantity,
        unit_price=unit_price_text(price, "1"),
        extended_amount=amount_text(Decimal(price) * Decimal(quantity)),
    )
    return _Row(number, at, text["basket"], text["customer"] or None, line)


_CUSTOMER_WISH: Final = ("not usable", "a customer id of at most 128 characters, or nothing")


def _key_wish(text: str, example: str, chars_max: int) -> tuple[str, str]:
    if card_data_in("", text):
        return "looks like a payment card number", f"an id that is none, such as {example}"
    return "not usable as an id", f"1 to {chars_max} letters, digits or _ . : @ -, such as {example}"


def _quantity_wish(text: str) -> tuple[str, str]:
    if text.startswith("-"):
        return "negative", "sold quantities only, such as 2 or 0.345 (the simulator makes its own returns)"
    return "not a quantity", "a number above 0 with up to 3 decimals, such as 2 or 0.345"


def _is_key(text: str, chars_max: int) -> bool:
    return len(text) <= chars_max and bool(_KEY.fullmatch(text)) and not card_data_in("", text)


def _is_quantity(text: str) -> bool:
    return bool(_QUANTITY.fullmatch(text)) and Decimal(text) > 0


def _is_name(text: str) -> bool:
    return len(text) <= 200 and text.isprintable() and not card_data_in("", text)


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    if len(text) <= len("2026-03-06"):
        return None  # a day alone: all of its baskets would stand at midnight
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _gtin(sku: str) -> str | None:
    """The sku itself where it is a GTIN, an in-store number where it is a short number, else none."""
    if not (sku.isascii() and sku.isdigit()):
        return None
    if len(sku) in (8, 12, 13, 14) and gs1_check_digit_ok(sku):
        return sku
    return in_store_gtin(int(sku)) if len(sku) <= 11 else None


def _line_not_utf8(file: Path) -> int:
    number = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return number


# --- baskets -----------------------------------------------------------------------------------------------


def _basket(rows: list[_Row], found: _Findings) -> Basket:
    """The basket that these rows make, by time and then as they stand in the file."""
    first = rows[0]
    ordered = sorted(rows, key=lambda row: row.at)
    customers = {row.customer for row in rows if row.customer is not None}
    if len(customers) > 1:
        odd = next(row for row in rows if row.customer not in (None, min(customers)))
        found.add(odd.number, "customer", f"a second customer in basket {first.basket}", "one customer per basket")
    if ordered[-1].at - ordered[0].at > BASKET_SPAN_MAX:
        hours = int(BASKET_SPAN_MAX.total_seconds()) // 3600
        problem = f"the lines of basket {first.basket} are more than {hours} hours apart"
        found.add(first.number, "basket", problem, "ids unique within the file, such as 2026-03-06-0042")
    if len(rows) > BASKET_LINES_MAX:
        problem = f"{len(rows):,} lines in basket {first.basket}"
        found.add(first.number, "basket", problem, f"at most {BASKET_LINES_MAX}")
    basket = Basket(
        first.basket, ordered[0].at, min(customers) if customers else None, tuple(row.line for row in ordered)
    )
    if Decimal(basket.total) >= TOTAL_MAX:
        found.add(
            first.number, "price", f"a total of {basket.total} in basket {first.basket}", f"less than {TOTAL_MAX:,}"
        )
    return basket


def _product(line: Line) -> Product:
    return Product(line.sku, line.gtin, line.name, line.unit_price)
