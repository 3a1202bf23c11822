"""Prices, amounts and quantities as people read them, from the decimal strings of events."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from kiosk.words import Words

__all__ = ["money", "quantity"]

_SIGNS: Final[Mapping[str, str]] = {"EUR": "€", "USD": "$", "GBP": "£", "RON": "lei", "MXN": "$", "MDL": "lei"}


def money(amount: str, currency: str | None, words: Words) -> str:
    """`€1.49` in English, `1,49 €` elsewhere; always two decimals where there are any."""
    value = Decimal(amount)
    exponent = value.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    number = words.number(f"{value:.{max(decimals, 2)}f}" if decimals else f"{value:f}")
    if currency is None:
        return number
    sign = _SIGNS.get(currency, currency)
    return f"{sign}{number}" if words.language == "en" and len(sign) == 1 else f"{number} {sign}"


def quantity(amount: str, words: Words) -> str:
    """`2`, `0.345`: no zeros behind that say nothing."""
    value = Decimal(amount)
    return words.number(f"{value.to_integral_value() if value == value.to_integral_value() else value.normalize():f}")
