"""What the shop sold before the played days, as a file to learn from: `ts,basket,customer,sku,qty,price`.

A CSV file is its own history. Of Complete Journey it is the weeks before the first played day, of the same store or of
all; the generator makes earlier days of the same households.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from agent.decide.history import HISTORY_COLUMNS
from sim.store import complete_journey
from sim.store.baskets import SalesSource
from sim.store.complete_journey import PastLine
from sim.store.generator import generate
from sim.store.source import SourceOptions

__all__ = ["History", "open_history"]

WEEKS_OF_ALL_STORES: Final = 12
"""Learned in a quarter of a minute; the whole year would take a whole one."""
WEEKS_OF_ONE_STORE: Final = 52
GENERATED_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class History:
    """Sales before the day `before`; `words` says which they are."""

    file: Path
    before: date
    words: str


def open_history(options: SourceOptions, source: SalesSource, file: Path) -> History | None:
    """The history of what `options` chose, written to `file` unless it is the user's own; None where there is none.

    Raises:
        DatasetAbsent: when the Complete Journey files cannot be read.
        OSError: when the file cannot be written.
    """
    before = source.day
    if options.data_file is not None:
        if options.from_day is None and options.to_day is None:
            return None  # the whole file is played
        return History(options.data_file, before, f"{options.data_file.name} before {before}")
    if options.dataset_folder is None:
        _write(file, _generated_lines(options, before))
        return History(file, before, f"{GENERATED_DAYS} generated days before {before}")
    weeks = WEEKS_OF_ALL_STORES if options.store is None else WEEKS_OF_ONE_STORE
    choice = complete_journey.Choice(options.store, before - timedelta(weeks=weeks), before - timedelta(days=1))
    _write(file, complete_journey.past_lines(options.dataset_folder, choice))
    return History(file, before, f"{weeks} weeks of sales before {before}")


def _generated_lines(options: SourceOptions, before: date) -> Iterator[PastLine]:
    for days in range(GENERATED_DAYS, 0, -1):
        day = generate(options.seed, baskets=options.baskets, day=before - timedelta(days=days))
        for basket in day.baskets():
            at = basket.starts_at.isoformat()
            for line in basket.lines:
                yield at, basket.id, basket.customer or "", line.sku, line.quantity


def _write(file: Path, lines: Iterator[PastLine]) -> None:
    with file.open("w", encoding="utf-8", newline="") as written:
        rows = csv.writer(written)
        rows.writerow(HISTORY_COLUMNS)
        rows.writerows(lines)
