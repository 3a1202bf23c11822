"""What the catalogue says of suggested products, over a read-only connection of the decisions' own."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Self

from agent.catalogue import CatalogueUnreadable, Product
from agent.catalogue.product import PRODUCT_FIELDS
from agent.decide.tables import open_reader

__all__ = ["Shelf"]

_FIELDS: Final = ", ".join(PRODUCT_FIELDS)
_BY_SKU: Final = f"SELECT {_FIELDS} FROM product WHERE sku = ?"  # noqa: S608 - constants
_BY_SKUS: Final = f"""
SELECT json_group_array(json_array({_FIELDS})) FROM product WHERE sku IN (SELECT value FROM json_each(?))
"""  # noqa: S608 - constants
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
        return _product(rows[0]) if rows else None

    def products(self, skus: Collection[str]) -> dict[str, Product]:
        """Those of these products that the catalogue has, by SKU.

        Raises:
            CatalogueUnreadable: when the file cannot be read.
        """
        ((text,),) = self._rows(_BY_SKUS, (json.dumps(list(skus)),))
        return {product.sku: product for product in map(_product, json.loads(text))}

    def is_empty(self) -> bool:
        """Whether no catalogue was imported yet."""
        return not self._rows(_ANY, ())

    def _rows(self, statement: str, values: tuple[str, ...]) -> list[tuple[str, ...]]:
        try:
            with closing(self._connection.execute(statement, values)) as rows:
                return rows.fetchall()
        except sqlite3.Error as error:
            raise CatalogueUnreadable(f"cannot read the catalogue: {error}; import the products again") from error


def _product(columns: Sequence[str]) -> Product:
    return Product.model_construct(None, **dict(zip(PRODUCT_FIELDS, columns, strict=True)))
