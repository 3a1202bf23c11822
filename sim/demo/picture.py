"""The terminal view as a picture, for the report and the README."""

import io
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from sim.demo.day_so_far import DaySoFar
from sim.demo.screen import Screen
from sim.demo.summary import Sample, StoreDay

__all__ = ["render_svg"]

WIDTH_COLUMNS: Final = 110
HEIGHT_ROWS: Final = 34
FONT_ASPECT_RATIO: Final = 0.602  # of DejaVu Sans Mono and Menlo: frames close without stretching

_BLACK, _RED, _GREEN, _YELLOW = (72, 79, 88), (255, 123, 114), (63, 185, 80), (227, 160, 8)
_BLUE, _MAGENTA, _CYAN, _WHITE = (88, 166, 255), (188, 140, 255), (86, 212, 221), (201, 209, 217)
_GREY: Final = (125, 133, 144)
_THEME: Final = TerminalTheme(
    background=(22, 27, 34),
    foreground=(230, 237, 243),
    normal=[_BLACK, _RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN, _WHITE],
    bright=[_GREY, _RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN, _WHITE],
)
# Rich's own frame fetches a font from the network; this one takes the first of these that the reader has.
_FRAME: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-family: "DejaVu Sans", Helvetica, Arial, sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def render_svg(day: StoreDay, samples: Sequence[Sample], width: int = WIDTH_COLUMNS, height: int = HEIGHT_ROWS) -> str:
    """The view as it was at the last of `samples`, which are all samples from the start, as an SVG file."""
    so_far = DaySoFar.begin(day, samples[0])
    for sample in samples[1:]:
        so_far = so_far.after(sample)
    console = Console(
        record=True, width=width, height=height, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Screen(so_far), height=height)
    return console.export_svg(
        title="storeforward demo",
        theme=_THEME,
        code_format=_FRAME,
        font_aspect_ratio=FONT_ASPECT_RATIO,
        unique_id="demo",
    )
