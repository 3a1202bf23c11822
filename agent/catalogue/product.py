"""What the catalogue knows of one product, and what an import did."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from agent.event_fields import Currency, Gtin, Key

__all__ = ["PRODUCT_FIELDS", "ImportCounts", "Product", "gtin_14"]

Name = Annotated[str, Field(min_length=1, max_length=400)]
Place = Annotated[str, Field(min_length=1, max_length=80)]
Price = Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,4})?$", description='decimal string such as "12.50"')]
Stock = Annotated[str, Field(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,3})?$", description="on hand, a decimal string")]


class Product(BaseModel):
    """One product of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    sku: Key
    name: Name
    price: Price
    currency: Currency
    gtin: Gtin | None = None
    department: Name | None = None
    category: Name | None = None
    aisle: Place | None = None
    bay: Place | None = None
    stock: Stock | None = None


PRODUCT_FIELDS: Final = tuple(Product.model_fields)


class ImportCounts(BaseModel):
    """What an import did: of `rows` in the file, so many products were new, other than before, or the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    added: int
    changed: int
    unchanged: int


def gtin_14(gtin: str) -> str:
    """The 14-digit form, in which a UPC-A and the same code read as EAN-13 are equal (GS1 GenSpecs, 3.3.2)."""
    return gtin.zfill(14)
