"""The tables of the catalogue in model.sqlite."""

from typing import Final

from agent.errors import EnvironmentFault
from agent.rebuildable import RebuildableFormat

__all__ = ["CATALOGUE", "CatalogueUnreadable"]

_TABLES: Final = """
CREATE TABLE product (
    number INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, price TEXT NOT NULL, currency TEXT NOT NULL,
    gtin TEXT, department TEXT, category TEXT, aisle TEXT, bay TEXT, stock TEXT,
    gtin_14 TEXT, name_words TEXT NOT NULL, place_words TEXT NOT NULL
);
CREATE INDEX product_gtin ON product (gtin_14) WHERE gtin_14 IS NOT NULL;
CREATE INDEX product_name ON product (name_words);
CREATE VIRTUAL TABLE product_search USING fts5 (
    name_words, place_words, content = 'product', content_rowid = 'number',
    tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3'
);
"""


class CatalogueUnreadable(EnvironmentFault):
    """The catalogue's file was written by a newer version, or cannot be read."""


CATALOGUE: Final = RebuildableFormat(
    version=1,
    tables=_TABLES,
    unreadable=CatalogueUnreadable,
    how_to_rebuild="and import the products again",
    busy_timeout_ms=10_000,  # `catalogue import` beside a starting agent
)
