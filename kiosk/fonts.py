"""Which font draws a text: Roboto where it has every character, DejaVu Sans else; markup in names is made harmless."""

from itertools import groupby
from typing import Final

__all__ = ["FALLBACK", "PLAIN", "font_for", "plain_markup"]

PLAIN: Final = "Roboto"
FALLBACK: Final = "DejaVuSans"
_ESCAPES: Final = str.maketrans({"&": "&amp;", "[": "&bl;", "]": "&br;"})
_BLANKS: Final = str.maketrans(dict.fromkeys((*range(32), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), " "))

# What Kivy's Roboto draws; the test holds this against the font file.
_ROBOTO: Final = (
    (0x20, 0x7E),
    (0xA0, 0x17F),
    (0x218, 0x21B),
    (0x38E, 0x3A1),
    (0x3A3, 0x3CE),
    (0x400, 0x486),
    (0x488, 0x513),
    (0x1EA0, 0x1EF9),
    (0x2010, 0x2011),
    (0x2013, 0x2015),
    (0x2017, 0x201E),
    (0x2020, 0x2022),
    (0x2025, 0x2027),
    (0x2030, 0x2030),
    (0x2039, 0x203A),
    (0x20A6, 0x20AC),
    (0x2122, 0x2122),
)


def font_for(text: str) -> str:
    """The font that has all of a text's characters, as far as there is one."""
    return PLAIN if all(map(_in_roboto, text)) else FALLBACK


def plain_markup(text: str) -> str:
    """Kivy markup that shows exactly this text: no tag of its own works, and each run has a font that can draw it."""
    runs = ((font, "".join(run)) for font, run in groupby(text.translate(_BLANKS), font_for))
    return "".join(
        run.translate(_ESCAPES) if font == PLAIN else f"[font={font}]{run.translate(_ESCAPES)}[/font]"
        for font, run in runs
    )


def _in_roboto(character: str) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in _ROBOTO)
