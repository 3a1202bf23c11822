"""The look of the kiosk from one file: colours whose contrast is checked, and sizes that fingers can hit."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import CallerError

__all__ = ["CONTROL_CONTRAST_MIN", "TEXT_CONTRAST_MIN", "Theme", "ThemeRefused", "contrast", "load_theme"]

TEXT_CONTRAST_MIN: Final = 4.5  # WCAG 2.2, 1.4.3
CONTROL_CONTRAST_MIN: Final = 3.0  # WCAG 2.2, 1.4.11

Rgb = tuple[float, float, float]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Pair = tuple[str, str]


class ThemeRefused(CallerError):
    """A theme that staff could not read or hit; `str()` says what and by how much."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sizes(_Model):
    target: int = Field(ge=48, le=160)
    primary: int = Field(ge=72, le=160)
    gap: int = Field(ge=8, le=48)
    bar: int = Field(ge=72, le=200)
    strip: int = Field(ge=40, le=120)
    radius: int = Field(ge=0, le=48)
    text_small: int = Field(ge=12, le=48)
    text: int = Field(ge=14, le=48)
    text_name: int = Field(ge=16, le=64)
    text_price: int = Field(ge=18, le=64)
    text_total: int = Field(ge=20, le=80)


class _Contrast(_Model):
    text: tuple[Pair, ...]
    controls: tuple[Pair, ...]


class _ThemeFile(_Model):
    name: str = Field(min_length=1, max_length=40)
    colours: dict[str, Colour]
    contrast: _Contrast
    sizes: _Sizes


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by name as red, green and blue from 0 to 1, and sizes by name in dp."""

    name: str
    colours: Mapping[str, Rgb]
    sizes: Mapping[str, int]


def load_theme(file: Path | None = None) -> Theme:
    """The theme of a file, or the one that comes with the kiosk. A file of one's own keeps its colour names.

    Raises:
        ThemeRefused: too little contrast, a colour that is missing, a size that is too small.
    """
    try:
        found = _ThemeFile.model_validate(tomllib.loads(_text_of(file)))
    except ValidationError as error:
        found_out = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ThemeRefused(f"{file or 'theme.toml'}: {found_out}") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ThemeRefused(f"{file or 'theme.toml'}: {error}") from error
    required = found if file is None else _ThemeFile.model_validate(tomllib.loads(_text_of(None)))
    colours = {name: _rgb(colour) for name, colour in found.colours.items()}
    if missing := sorted(set(required.colours) - set(colours)):
        raise ThemeRefused(f"{file}: no colour {', '.join(missing)}")
    if problems := list(_faint(colours, required.contrast)):
        raise ThemeRefused(f"{file or 'theme.toml'}: {'; '.join(problems)}")
    return Theme(found.name, colours, found.sizes.model_dump())


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, contrast ratio)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _faint(colours: Mapping[str, Rgb], wanted: _Contrast) -> Iterator[str]:
    for pairs, minimum in ((wanted.text, TEXT_CONTRAST_MIN), (wanted.controls, CONTROL_CONTRAST_MIN)):
        for front, back in pairs:
            ratio = contrast(colours[front], colours[back])
            if ratio < minimum:
                yield f"{front} on {back} has contrast {ratio:.2f}; expected at least {minimum}"


def _luminance(colour: Rgb) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def _text_of(file: Path | None) -> str:
    return (file if file is not None else files("kiosk") / "theme.toml").read_text(encoding="utf-8")
