"""The effect of a sale: how many there were and their sum, by device and currency. Exact decimals, never floats."""

import re
import sqlite3
from decimal import Decimal
from typing import Any, Final

__all__ = ["SALE", "Takings"]

SALE: Final = "pos.sale.v1"
_AMOUNT: Final = re.compile(r"-?\d{1,12}(\.\d{1,4})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_LOAD: Final = "SELECT device, currency, sales, total FROM totals"
_SAVE: Final = "INSERT OR REPLACE INTO totals (device, currency, sales, total) VALUES (?, ?, ?, ?)"


class Takings:
    """All running sums of one ledger file. After a rollback, make new ones: they load what the file says."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
        self._changed: set[tuple[str, str]] = set()
        for device, currency, sales, total in connection.execute(_LOAD):
            self._sums[device, currency] = (sales, Decimal(total))

    def add(self, device: str, data: Any) -> str:
        """Counts one sale; returns what is wrong with it, or an empty text. `data`: whatever JSON it came with."""
        total = data.get("total") if isinstance(data, dict) else None
        currency = data.get("currency") if isinstance(data, dict) else None
        if not isinstance(total, str) or not _AMOUNT.fullmatch(total):
            return "data.total: not a decimal string"
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            return "data.currency: not an ISO 4217 code"
        sales, before = self._sums.get((device, currency), (0, Decimal(0)))
        self._sums[device, currency] = (sales + 1, before + Decimal(total))
        self._changed.add((device, currency))
        return ""

    def save(self) -> None:
        """Writes changed sums, inside the transaction that holds their events."""
        for device, currency in self._changed:
            sales, total = self._sums[device, currency]
            self._connection.execute(_SAVE, (device, currency, sales, str(total)))
        self._changed.clear()
