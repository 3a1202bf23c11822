"""The shop's products on SQLite: imported from CSV, found by code and by typing."""

from agent.catalogue.csv_rows import COLUMNS, CatalogueRefused, read_products
from agent.catalogue.product import ImportCounts, Product
from agent.catalogue.schema import CatalogueUnreadable
from agent.catalogue.store import Catalogue

__all__ = [
    "COLUMNS",
    "Catalogue",
    "CatalogueRefused",
    "CatalogueUnreadable",
    "ImportCounts",
    "Product",
    "read_products",
]
