"""CSV in UTF-8 (RFC 4180) for spreadsheets, which must not take what a till sent for a formula."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.export.flat_event import COLUMNS, flat_event

__all__ = ["CsvFile"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class CsvFile:
    """An EventFile. A cell that a spreadsheet would run gets an apostrophe before it (OWASP, CSV injection)."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(COLUMNS)

    def write(self, bodies: Sequence[bytes]) -> None:
        self._rows.writerows([_harmless(cell) for cell in flat_event(body)] for body in bodies)

    def finish(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _harmless(cell: str | int) -> str | int:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
