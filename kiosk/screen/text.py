"""A text that fits its box, and what is made of it: the button; beside it the box with a ground."""

from typing import Any, Final

from kivy.clock import Clock as Frames
from kivy.core.text import Label as CoreLabel
from kivy.properties import BooleanProperty, ListProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label

from kiosk.fitting import fit, tied
from kiosk.fonts import font_for, plain_markup

__all__ = ["Panel", "Press", "Text"]

Kivy = Any  # Any: Kivy's classes carry no types

WIDTH_SURE: Final = 0.97
"""Of a box's width, so much is sure to be enough: letters are placed on whole pixels, at each size others."""


class Text(Label):
    """A text that shows exactly `raw`, in fonts that have its characters, small enough for its box.

    `wanted` is the letters' size where there is room and `smallest` the least part of it; it takes `lines` at most,
    and keeps `inset` from the left and right edge.
    """

    raw = StringProperty("")
    wanted = NumericProperty(16)
    lines = NumericProperty(1)
    smallest = NumericProperty(0.7)
    inset = NumericProperty(0)

    def __init__(self, **kwargs: Kivy) -> None:
        super().__init__(**kwargs)
        self._fit_soon = Frames.create_trigger(self._fit, -1)
        self.fbind("raw", self._fit_soon)
        self.fbind("size", self._fit_soon)
        self.fbind("wanted", self._fit_soon)
        self.fbind("lines", self._fit_soon)
        self._fit_soon()

    def _fit(self, *_: Kivy) -> None:
        words = tied(self.raw).split(" ")
        font = CoreLabel(font_name=font_for(self.raw), font_size=self.wanted, bold=self.bold)
        widths = [font.get_extents(word)[0] for word in words]
        blank, line = font.get_extents(" ")
        box = ((self.width - 2 * self.inset) * WIDTH_SURE, self.height)
        factor, kept = fit(widths, blank, line, box, self.lines, smallest=self.smallest)
        self.font_size = self.wanted * factor
        shown = " ".join(words) if kept == len(words) or self.lines == 1 else " ".join(words[:kept]) + "…"
        self.text = plain_markup(shown)


class Panel(BoxLayout):
    """A box with a ground of one colour, maybe with an edge."""

    ground = ListProperty([1, 1, 1, 1])
    edge = ListProperty([0, 0, 0, 0])


class Press(ButtonBehavior, Text):
    """A button; `kind` is primary, plain, key or stop. `at_once`: it acts when the finger comes down."""

    kind = StringProperty("plain")
    at_once = BooleanProperty(False)
    on_tap = ObjectProperty(None, allownone=True)
    aim = ObjectProperty(None, allownone=True)
    """Called when the finger comes down: what it was aimed at then is what `on_tap` gets."""

    def on_press(self) -> None:
        self._aimed = self.aim() if self.aim is not None else None
        if self.at_once and self.on_tap is not None:
            self.on_tap(self._aimed)

    def on_release(self) -> None:
        if not self.at_once and self.on_tap is not None:
            self.on_tap(self._aimed)
