"""What the catalogue says of suggested products, over a read-only connection of the decisions' own."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, Self

from agent.catalogue import CatalogueUnreadable, Product
from agent.catalogue.product import PRODUCT_FIELDS
from agent.decide.tables import open_reader

__all__ = ["Shelf"]

_BY_SKU: Final = f"SELECT {', '.join(PRODUCT_FIELDS)} FROM product WHERE sku = ?"  # noqa: S608 - constants
_ANY: Final = "SELECT 1 FROM product LIMIT 1"


class Shelf:
    """Look-ups for one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, file: Path) -> Self:
        """Over the catalogue in `file`, which has to exist."""
        return cls(open_reader(file))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def product(self, sku: str) -> Product | None:
        """The product of a SKU.

        Raises:
            CatalogueUnreadable: when the file cannot be read.
        """
        rows = self._rows(_BY_SKU, (sku,))
        return Product.model_construct(None, **dict(zip(PRODUCT_FIELDS, rows[0], strict=True))) if rows else None

    def is_empty(self) -> bool:
        """Whether no catalogue was imported yet."""
        return not self._rows(_ANY, ())

    def _rows(self, statement: str, values: tuple[str, ...]) -> list[tuple[str, ...]]:
        try:
            with closing(self._connection.execute(statement, values)) as rows:
                return rows.fetchall()
        except sqlite3.Error as error:
            raise CatalogueUnreadable(f"cannot read the catalogue: {error}; import the products again") from error
