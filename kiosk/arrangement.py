"""How the screen is divided at its size: slots, columns, lines. Made once at the start, so that nothing moves later."""

from dataclasses import dataclass
from typing import Final

__all__ = ["Arrangement", "arrange"]

SLOTS_MIN: Final = 3
SLOTS_MAX: Final = 5
LINE_DP: Final = 46
FOUND_DP: Final = 80
FOUND_ROWS_MAX: Final = 8
KEYBOARD_DP: Final = 260
STRIP_AND_BAR_DP: Final = 140
LOW_DP: Final = 700


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`basket_share` is the basket's part of the width, or in portrait of the height; `lines` fit in it.

    `keyboard_beside` says that the look-up panel is too low for a keyboard under its `found_rows`.
    """

    portrait: bool
    slots: int
    columns: int
    basket_share: float
    lines: int
    wide_cards: bool
    keyboard_beside: bool
    found_rows: int


def arrange(width_dp: float, height_dp: float, *, slots: int | None = None, text_scale: float = 1.0) -> Arrangement:
    """The arrangement for a window."""
    portrait = height_dp > width_dp
    low = not portrait and height_dp < LOW_DP
    count = max(SLOTS_MIN, min(SLOTS_MAX, slots or (3 if low else 4)))
    columns = min(count, 3) if low else 2
    body_dp = height_dp - STRIP_AND_BAR_DP
    share = 0.33 if portrait else 0.30
    lines_dp = (body_dp * share if portrait else body_dp) - 60 - 90 * text_scale
    found_dp = body_dp - 108 if low else body_dp - 108 - KEYBOARD_DP
    return Arrangement(
        portrait=portrait,
        slots=count,
        columns=columns,
        basket_share=share,
        lines=max(2, int(lines_dp // (LINE_DP * text_scale))),
        wide_cards=not low,
        keyboard_beside=low,
        found_rows=max(1, min(FOUND_ROWS_MAX, int(found_dp // (FOUND_DP * max(1.0, text_scale))))),
    )
