"""Tells a scanner that types like a keyboard from a person at one. It knows no keyboard and no clock.

A scanner sends its digits a few milliseconds apart and ends with Enter; no person types eight digits that fast. Keys
are held back until it is clear whose they are: at the latest when the next one is late (`late`).
"""

from dataclasses import dataclass, replace
from typing import Final

from agent.card_guard import gs1_check_digit_ok

__all__ = ["ENTER", "KEY_GAP_MAX_S", "REPEAT_S", "Misread", "Scan", "Typed", "Wedge", "late", "press"]

ENTER: Final = "\n"
KEY_GAP_MAX_S: Final = 0.05
"""Scanners send a key every 1 to 20 ms; a fast typist needs 80 ms."""
REPEAT_S: Final = 0.7
"""A trigger held down reads the same code again within this time."""
KEYS_MAX: Final = 64  # held back at most; the longest GS1-128 symbol has 48
LENGTHS: Final = (8, 12, 13, 14)


@dataclass(frozen=True, slots=True)
class Scan:
    """A whole barcode with a good check digit."""

    gtin: str


@dataclass(frozen=True, slots=True)
class Misread:
    """A burst with Enter that is no barcode we know."""

    text: str


@dataclass(frozen=True, slots=True)
class Typed:
    """Keys from a person."""

    text: str


@dataclass(frozen=True, slots=True)
class Wedge:
    """What was pressed and not yet told, and the last code read."""

    held: str = ""
    at_s: float = 0.0
    last_gtin: str = ""
    last_scan_s: float = float("-inf")


def press(wedge: Wedge, key: str, now_s: float) -> tuple[Wedge, tuple[Scan | Misread | Typed, ...]]:
    """One key (a character, or ENTER): what it makes certain."""
    wedge, told = late(wedge, now_s)
    if key != ENTER:
        held = wedge.held + key
        if len(held) > KEYS_MAX:
            return replace(wedge, held=""), (*told, Misread(held))
        return replace(wedge, held=held, at_s=now_s), told
    burst, wedge = wedge.held, replace(wedge, held="", at_s=now_s)
    if len(burst) < min(LENGTHS):
        return wedge, (*told, Typed(burst + ENTER))
    if not (burst.isascii() and burst.isdigit() and len(burst) in LENGTHS and gs1_check_digit_ok(burst)):
        return wedge, (*told, Misread(burst))
    repeated = burst == wedge.last_gtin and now_s - wedge.last_scan_s < REPEAT_S
    wedge = replace(wedge, last_gtin=burst, last_scan_s=now_s)
    return wedge, told if repeated else (*told, Scan(burst))


def late(wedge: Wedge, now_s: float) -> tuple[Wedge, tuple[Typed, ...]]:
    """Without a next key in time, what is held back came from a person."""
    if not wedge.held or now_s - wedge.at_s <= KEY_GAP_MAX_S:
        return wedge, ()
    return replace(wedge, held=""), (Typed(wedge.held),)
