"""How the screen is divided at its size: slots, columns, lines. Made once at the start, so that nothing moves later."""

from dataclasses import dataclass
from typing import Final

__all__ = ["Arrangement", "arrange", "text_scale_that_fits"]

SLOTS_MIN: Final = 3
SLOTS_MAX: Final = 5
LINE_DP: Final = 46
FOUND_DP: Final = 80
FOUND_ROWS_MAX: Final = 8
KEYBOARD_DP: Final = 260
STRIP_AND_BAR_DP: Final = 140
NOTICE_DP: Final = 42  # in portrait it stands above the bar
VEHICLE_DP: Final = 50
VEHICLE_ROWS_MAX: Final = 8
LOW_DP: Final = 700
LANDSCAPE_DP_MIN: Final = 460  # less than that for each 100 % of text, and a card has no room for its reason
LARGE_TEXT: Final = 1.15


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`basket_share` is the basket's part of the width, or in portrait of the height; `lines` fit in it.

    `wide_cards` have the price beside the name, others below it. `titled`: there is room for a title over the cards.
    `vehicle_rows` fit into the panel of a stop.
    `keyboard_beside` says that the look-up panel is too low for a keyboard under its `found_rows`.
    """

    portrait: bool
    slots: int
    columns: int
    basket_share: float
    lines: int
    wide_cards: bool
    titled: bool
    keyboard_beside: bool
    found_rows: int
    vehicle_rows: int


def arrange(width_dp: float, height_dp: float, *, slots: int | None = None, text_scale: float = 1.0) -> Arrangement:
    """The arrangement for a window."""
    portrait = height_dp > width_dp
    low = not portrait and height_dp < LOW_DP
    crowded = not portrait and height_dp / text_scale < LOW_DP
    count = max(SLOTS_MIN, min(SLOTS_MAX, slots or (3 if crowded else 4)))
    columns = min(count, 3) if crowded else 2
    body_dp = height_dp - STRIP_AND_BAR_DP - (NOTICE_DP * text_scale if portrait else 0)
    share = 0.30 if not portrait else 0.33 if text_scale < LARGE_TEXT else 0.25
    lines_dp = (body_dp * share if portrait else body_dp) - 60 - 90 * text_scale
    found_dp = body_dp - 108 if low else body_dp - 108 - KEYBOARD_DP
    vehicles_dp = (body_dp * (1 - share) if portrait else body_dp) - 70 - 122 * max(1.0, text_scale)
    return Arrangement(
        portrait=portrait,
        slots=count,
        columns=columns,
        basket_share=share,
        lines=max(2, int(lines_dp // (LINE_DP * text_scale))),
        wide_cards=not crowded,
        titled=not ((low or portrait) and text_scale > LARGE_TEXT),
        keyboard_beside=low,
        found_rows=max(1, min(FOUND_ROWS_MAX, int(found_dp // (FOUND_DP * max(1.0, text_scale))))),
        vehicle_rows=max(2, min(VEHICLE_ROWS_MAX, int(vehicles_dp // (VEHICLE_DP * max(1.0, text_scale))))),
    )


def text_scale_that_fits(width_dp: float, height_dp: float, wanted: float) -> float:
    """The wanted size of the text, or the largest at which a card still has room for its reason."""
    if height_dp > width_dp:
        return wanted
    return min(wanted, max(1.0, height_dp / LANDSCAPE_DP_MIN))
