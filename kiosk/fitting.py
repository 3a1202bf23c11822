"""How much smaller a text has to be to fit its box, and how much of it fits at all. It knows no fonts."""

import re
from collections.abc import Sequence
from math import ceil
from typing import Final

__all__ = ["FACTORS", "fit", "lines_of", "tied"]

FACTORS: Final = (1.0, 0.92, 0.85, 0.78, 0.7)
"""Smaller than this nobody reads it at arm's length: then the end is left out."""
_UNIT: Final = re.compile(r"(?<=\d) (?=(?:[kmcd]?[gl]|[kcm]?m|L|×|x|€|lei)(?!\w))|(?<=[×x]) (?=\d)| (?=· )")  # noqa: RUF001 - the sign for times


def fit(
    widths: Sequence[float],
    blank: float,
    line: float,
    box: tuple[float, float],
    lines_max: int,
    *,
    smallest: float = 0.0,
) -> tuple[float, int]:
    """The factor for the letters' size, not below `smallest`, and how many words fit with it.

    `widths` are the words' widths, `blank` is that of a space and `line` a line's height, all at full size.
    """
    width, height = box
    factor, lines_possible = 1.0, 1
    for factor in (one for one in FACTORS if one >= smallest):
        lines_possible = max(1, min(lines_max, int(height / ceil(line * factor))))
        if lines_of([one * factor for one in widths], blank * factor, width) <= lines_possible:
            return factor, len(widths)
    kept = len(widths)
    while kept > 1 and lines_of([one * factor for one in widths[:kept]], blank * factor, width) > lines_possible:
        kept -= 1
    return factor, kept


def lines_of(widths: Sequence[float], blank: float, width: float) -> float:
    """How many lines the words take; infinity when one of them is wider than the box."""
    lines, used = 1, 0.0
    for one in widths:
        if one > width:
            return float("inf")
        if used and used + blank + one > width:
            lines, used = lines + 1, one
        else:
            used += (blank if used else 0.0) + one
    return lines


def tied(text: str) -> str:
    """The same, but no line ends in `500` when the next would begin with `g`, and none begins with a dot."""
    return _UNIT.sub("\N{NO-BREAK SPACE}", text)
