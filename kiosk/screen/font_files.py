"""Kivy's two fonts, of which one can stand in for the other: a missing file costs letters' looks, not the kiosk."""

from pathlib import Path
from typing import Final

from kiosk.fonts import FALLBACK, PLAIN

__all__ = ["default_font", "stand_in_for_fallback"]

_PLAIN_FILES: Final = tuple(f"{PLAIN}-{style}.ttf" for style in ("Regular", "Italic", "Bold", "BoldItalic"))
_FALLBACK_FILE: Final = f"{FALLBACK}.ttf"


def default_font(folder: Path) -> list[str] | None:
    """Kivy's setting for its default font: name, regular, italic, bold, both; None when there is no font at all."""
    if all((folder / name).is_file() for name in _PLAIN_FILES):
        return [PLAIN, *(str(folder / name) for name in _PLAIN_FILES)]
    if (folder / _FALLBACK_FILE).is_file():
        return [PLAIN, *[str(folder / _FALLBACK_FILE)] * len(_PLAIN_FILES)]
    return None


def stand_in_for_fallback(folder: Path) -> None:
    """The other font is found under the fallback's name as well, when the fallback's file is missing."""
    from kivy.core.text import LabelBase  # noqa: PLC0415 - Kivy comes after its settings

    if not (folder / _FALLBACK_FILE).is_file():
        regular, italic, bold, both = (str(folder / name) for name in _PLAIN_FILES)
        LabelBase.register(FALLBACK, regular, italic, bold, both)
