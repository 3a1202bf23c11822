"""Exact money for the simulated shop: decimal strings in, decimal strings out, never a float."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

__all__ = ["amount_text", "cents_text", "total_text", "unit_price_text"]

_CENT: Final = Decimal("0.01")
_UNIT: Final = Decimal("0.0001")  # the finest amount an event may carry


def amount_text(amount: Decimal) -> str:
    """An amount to the cent, half up as tills do."""
    return str(amount.quantize(_CENT, ROUND_HALF_UP))


def cents_text(cents: int) -> str:
    """Whole cents as an amount."""
    return str(Decimal(cents).scaleb(-2))


def total_text(amounts: Iterable[str]) -> str:
    """The exact sum of amounts."""
    return amount_text(sum(map(Decimal, amounts), Decimal(0)))


def unit_price_text(extended_amount: str, quantity: str) -> str:
    """What one unit of a line cost: 2 decimals, or up to 4 where three for 5.00 leave no other way."""
    price = (Decimal(extended_amount) / Decimal(quantity)).quantize(_UNIT, ROUND_HALF_UP)
    to_the_cent = price.quantize(_CENT, ROUND_HALF_UP)
    return str(to_the_cent if to_the_cent == price else price)
