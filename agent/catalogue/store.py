"""The catalogue: products in DATA/decide/model.sqlite, found by code and by typing, replaced by imports.

One import at a time, from any thread, and one look-up at a time, from any thread; the two run beside each other.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import IO, Final, Self

from agent.catalogue.csv_rows import read_products
from agent.catalogue.importer import Importer
from agent.catalogue.product import PRODUCT_FIELDS, ImportCounts, Product, gtin_14
from agent.catalogue.schema import CATALOGUE, CatalogueUnreadable
from agent.catalogue.search_words import query_of, words_of
from agent.errors import StorageFailed, StorageFull

__all__ = ["Catalogue"]

LAST_LETTER: Final = "\U0010ffff"  # sorts after every text that begins like another
BY_GTIN_MAX: Final = 20  # supplier packs share a GTIN now and then; more is a mistake in the data
TYPED_CHARS_MAX: Final = 80
RANKED_MAX: Final = 1_000  # ranking 30,000 names costs 90 ms, and so many say that typing has just begun

_SELECT: Final = f"SELECT {', '.join('product.' + field for field in PRODUCT_FIELDS)} FROM product "  # noqa: S608 - constants
_BY_SKU: Final = _SELECT + "WHERE sku = ?"
_BY_GTIN: Final = _SELECT + "WHERE gtin_14 = ? ORDER BY sku LIMIT ?"
_BY_SKU_START: Final = _SELECT + "WHERE sku > ? AND sku < ? ORDER BY sku LIMIT ?"
_BY_NAME_START: Final = _SELECT + "WHERE name_words >= ? AND name_words < ? ORDER BY name_words LIMIT ?"
_BY_WORDS: Final = _SELECT + (
    "JOIN product_search ON product_search.rowid = product.number WHERE product_search MATCH ? "
)
_RANKED: Final = "ORDER BY bm25(product_search, 10.0, 1.0), product.number LIMIT ?"
_UNRANKED: Final = "LIMIT ?"
_IS_BROAD: Final = "SELECT 1 FROM product_search WHERE product_search MATCH ? LIMIT 1 OFFSET ?"
_COUNT: Final = "SELECT count(*) FROM product"


class Catalogue:
    """The products of one shop."""

    def __init__(self, file: Path, writer: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.file: Final = file
        self._writer = writer
        self._reader = reader
        self._importing = Lock()
        self._size = self._count()

    @classmethod
    def open(cls, file: Path) -> Self:
        """The catalogue in `file`, made when it is not there.

        Raises:
            CatalogueUnreadable: when a newer version wrote it.
            StorageFailed: when the folder cannot be written.
        """
        writer = CATALOGUE.open_writer(file)
        return cls(file, writer, CATALOGUE.open_reader(file))

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()
        self._writer.close()

    @property
    def size(self) -> int:
        """How many products there are."""
        return self._size

    def import_csv(self, source: IO[bytes], name: str) -> ImportCounts:
        """Take the products of a CSV file, all or nothing; products that it does not name stay.

        Raises:
            CatalogueRefused: with up to 20 problems, which call the file `name`.
            StorageFull, StorageFailed: when the disk does not take them; nothing has changed then.
        """
        try:
            with self._importing, closing(read_products(source, name)) as rows:
                counts = Importer(self._writer).take(rows, name)
        except sqlite3.Error as error:
            fault = StorageFull if "full" in str(error) else StorageFailed
            raise fault(f"cannot write {self.file}: {error}") from error
        self._size = self._count()
        return counts

    def by_sku(self, sku: str) -> Product | None:
        """The product of a SKU."""
        found = self._read(_BY_SKU, (sku,))
        return found[0] if found else None

    def by_gtin(self, gtin: str) -> list[Product]:
        """The products of a GTIN, given with or without leading zeros."""
        return self._read(_BY_GTIN, (gtin_14(gtin), BY_GTIN_MAX))

    def search(self, typed: str, limit: int) -> list[Product]:
        """The best products for typed text: exact codes, SKUs and names that begin so, then names by relevance."""
        found: dict[str, Product] = {}
        for products in self._findings(_cleaned(typed), limit):
            for product in products:
                found.setdefault(product.sku, product)
            if len(found) >= limit:
                break
        return list(islice(found.values(), limit))

    def _findings(self, typed: str, limit: int) -> Iterator[list[Product]]:
        if not typed:
            return
        yield self._read(_BY_SKU, (typed,))
        if typed.isascii() and typed.isdigit():
            yield self.by_gtin(typed)
        yield self._read(_BY_SKU_START, (typed, typed + LAST_LETTER, limit))
        query = query_of(typed)
        if query:
            start = words_of(typed)
            yield self._read(_BY_NAME_START, (start, start + LAST_LETTER, limit))
            yield self._by_words(f"name_words : ({query})", limit)
            yield self._by_words(query, limit)

    def _by_words(self, query: str, limit: int) -> list[Product]:
        broad = self._rows(_IS_BROAD, (query, RANKED_MAX))
        return self._read(_BY_WORDS + (_UNRANKED if broad else _RANKED), (query, limit))

    def _read(self, statement: str, values: tuple[str | int, ...]) -> list[Product]:
        rows = self._rows(statement, values)
        return [Product.model_construct(None, **dict(zip(PRODUCT_FIELDS, row, strict=True))) for row in rows]

    def _rows(self, statement: str, values: tuple[str | int, ...]) -> list[tuple[str, ...]]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise CatalogueUnreadable(f"cannot read {self.file}: {error}; import the products again") from error

    def _count(self) -> int:
        count = self._writer.execute(_COUNT).fetchone()[0]
        assert isinstance(count, int)
        return count


def _cleaned(typed: str) -> str:
    """Typed text that SQLite can take: bounded, without the halves of broken characters."""
    return typed[:TYPED_CHARS_MAX].encode(errors="ignore").decode().strip()
