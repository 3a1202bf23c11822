"""What a solve reads: the kept lines of the most bought products, as plain arrays, over a read-only connection."""

import sqlite3
from array import array
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.decide.tables import LearnedUnreadable, open_reader

__all__ = ["KeptLines", "read_lines"]

ITEM_BASKETS_MIN: Final = 5  # below that a pair is chance

_TOP: Final = """
SELECT item FROM line GROUP BY item HAVING count(*) >= ? ORDER BY count(*) DESC, item LIMIT ?
"""
_LINES: Final = "SELECT basket FROM line WHERE item = ? ORDER BY basket"
_BASKETS: Final = "SELECT count(*) FROM basket"


@dataclass(frozen=True, slots=True)
class KeptLines:
    """Line by line: the basket's number, and the place of its product in `numbers`. Sorted by product."""

    numbers: "array[int]"
    baskets: "array[int]"
    items: "array[int]"
    basket_count: int


def read_lines(file: Path, items_max: int) -> KeptLines:
    """The lines of up to `items_max` products, the most bought ones.

    Raises:
        LearnedUnreadable: when the file cannot be read.
    """
    lines = KeptLines(array("q"), array("q"), array("q"), 0)
    try:
        with closing(open_reader(file)) as connection:
            connection.execute("BEGIN")
            lines.numbers.extend(item for (item,) in connection.execute(_TOP, (ITEM_BASKETS_MIN, items_max)))
            for place, number in enumerate(lines.numbers):
                before = len(lines.baskets)
                lines.baskets.extend(basket for (basket,) in connection.execute(_LINES, (number,)))
                lines.items.extend([place] * (len(lines.baskets) - before))
            (count,) = connection.execute(_BASKETS).fetchone()
    except sqlite3.Error as error:
        raise LearnedUnreadable(f"cannot read {file}: {error}") from error
    return KeptLines(lines.numbers, lines.baskets, lines.items, int(count))
