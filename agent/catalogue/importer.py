"""Takes products into the tables, all or nothing: every row is checked and staged before the first one is changed."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from agent.catalogue.csv_rows import PROBLEMS_MAX, CatalogueRefused
from agent.catalogue.product import PRODUCT_FIELDS, ImportCounts, Product, gtin_14
from agent.catalogue.search_words import words_of
from agent.errors import Problem

__all__ = ["Importer"]

PRODUCTS_MAX: Final = 1_000_000

_COLUMNS: Final = (*PRODUCT_FIELDS, "gtin_14", "name_words", "place_words")
_LIST: Final = ", ".join(_COLUMNS)

_CREATE_STAGED: Final = f"""
CREATE TEMP TABLE IF NOT EXISTS staged (
    line INTEGER NOT NULL, number INTEGER, differs INTEGER, {_LIST}, PRIMARY KEY (sku)
) WITHOUT ROWID
"""
_CLEAR_STAGED: Final = "DELETE FROM temp.staged"
_STAGE: Final = f"INSERT OR IGNORE INTO temp.staged (line, {_LIST}) VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})"  # noqa: S608 - constants
_LINE_OF: Final = "SELECT line FROM temp.staged WHERE sku = ?"
_MATCH: Final = f"""
UPDATE temp.staged SET number = product.number,
    differs = ({" OR ".join(f"staged.{field} IS NOT product.{field}" for field in PRODUCT_FIELDS)})
FROM product WHERE product.sku = staged.sku
"""  # noqa: S608 - constants
_UNINDEX_CHANGED: Final = """
INSERT INTO product_search (product_search, rowid, name_words, place_words)
SELECT 'delete', product.number, product.name_words, product.place_words
FROM temp.staged JOIN product ON product.number = staged.number WHERE staged.differs
"""
_UPDATE_CHANGED: Final = f"""
UPDATE product SET {", ".join(f"{column} = staged.{column}" for column in _COLUMNS)}
FROM temp.staged WHERE product.number = staged.number AND staged.differs
"""  # noqa: S608 - constants
_INSERT_NEW: Final = f"INSERT INTO product ({_LIST}) SELECT {_LIST} FROM temp.staged WHERE number IS NULL"  # noqa: S608 - constants
_INDEX_WRITTEN: Final = """
INSERT INTO product_search (rowid, name_words, place_words)
SELECT product.number, product.name_words, product.place_words
FROM temp.staged JOIN product ON product.sku = staged.sku WHERE staged.differs IS NOT 0
"""


class Importer:
    """Stages and merges rows over the catalogue's writer connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def take(self, rows: Iterable[tuple[int, Product | list[Problem]]], name: str) -> ImportCounts:
        """Replace what changed and add what is new; products that `rows` do not name stay.

        Raises:
            CatalogueRefused: with up to 20 problems, which call the file `name`.
            sqlite3.Error: when the disk does not take it; nothing has changed then.
        """
        self._connection.execute(_CREATE_STAGED)
        self._connection.execute(_CLEAR_STAGED)
        try:
            with _transaction(self._connection):
                staged = self._stage(rows, name)
            with _transaction(self._connection):
                added, changed = self._merge()
        finally:
            self._connection.execute(_CLEAR_STAGED)
        return ImportCounts(rows=staged, added=added, changed=changed, unchanged=staged - added - changed)

    def _stage(self, rows: Iterable[tuple[int, Product | list[Problem]]], name: str) -> int:
        problems: list[Problem] = []
        count = 0
        for line, product in rows:
            count += 1
            if count > PRODUCTS_MAX:
                problems.append(Problem(f"{name}:{line}", "too many rows", f"at most {PRODUCTS_MAX:,}"))
            elif isinstance(product, list):
                problems += product
            elif not self._connection.execute(_STAGE, _row(line, product)).rowcount:
                first = self._connection.execute(_LINE_OF, (product.sku,)).fetchone()[0]
                problems.append(Problem(f"{name}:{line} sku", f"already on line {first}", "each sku once"))
            if len(problems) >= PROBLEMS_MAX or count > PRODUCTS_MAX:
                break
        if problems:
            raise CatalogueRefused(*problems[:PROBLEMS_MAX])
        return count

    def _merge(self) -> tuple[int, int]:
        self._connection.execute(_MATCH)
        self._connection.execute(_UNINDEX_CHANGED)
        changed = self._connection.execute(_UPDATE_CHANGED).rowcount
        added = self._connection.execute(_INSERT_NEW).rowcount
        self._connection.execute(_INDEX_WRITTEN)
        return added, changed


def _row(line: int, product: Product) -> tuple[int | str | None, ...]:
    places = " ".join(filter(None, (product.category, product.department)))
    return (
        line,
        *(getattr(product, field) for field in PRODUCT_FIELDS),
        gtin_14(product.gtin) if product.gtin else None,
        words_of(product.name),
        _place_words(places),
    )


@lru_cache(maxsize=2_048)  # a shop has some hundred categories and tens of thousands of products
def _place_words(places: str) -> str:
    return words_of(places)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.execute("COMMIT")
