"""The Kivy app: shows the session's pictures, tells it the taps and keys, and measures from tap to paint."""

from collections.abc import Callable
from typing import Any, Final

from kivy.app import App
from kivy.clock import Clock as Frames
from kivy.core.window import Window
from kivy.graphics.opengl import glFinish

from agent.clock import Clock
from kiosk import inputs
from kiosk.arrangement import Arrangement
from kiosk.kept import Kept
from kiosk.picture import CardKind, Painter, Picture, StatusKind
from kiosk.screen.before_kivy import FRAMES_PER_S
from kiosk.screen.widgets import Root
from kiosk.session import Session
from kiosk.state import State
from kiosk.theme import Theme
from kiosk.wedge import ENTER, late
from kiosk.words import Words

__all__ = ["KioskApp"]

Kivy = Any  # Any: Kivy's classes carry no types
Rgba = tuple[float, float, float, float]

IDLE_FRAMES_PER_S: Final = 20
"""While nothing moves: a touch is seen within 50 ms of the 100 it has, for a third of the processor time of 60."""
AWAKE_S: Final = 1.0  # longer than a trigger is held down, so that the keys' clock is right between two reads
FRAME_MAX_S: Final = 0.02
"""How far the keys' clock goes on in one frame: a stall of the screen must not tear a scan apart."""
KEYPAD: Final = {256 + digit: str(digit) for digit in range(10)}
ENTER_KEYS: Final = (13, 271)
BACKSPACE_KEY: Final = 8
_OUTCOMES: Final = {
    CardKind.KEPT.value: "offline",
    CardKind.PENDING.value: "pending",
    CardKind.DONE.value: "done",
    CardKind.REFUSED.value: "refused",
}
_STATUSES: Final = {
    StatusKind.OFFLINE.value: "offline",
    StatusKind.DOWN.value: "refused",
    StatusKind.UNSTORED.value: "refused",
}


class KioskApp(App):
    """One window over one session."""

    use_kivy_settings = False
    clear: Rgba = (0, 0, 0, 0)

    def __init__(
        self,
        session: Session,
        painter: Painter,
        theme: Theme,
        arrangement: Arrangement,
        clock: Clock,
        *,
        left_hand: bool = False,
        offscreen: bool = False,
    ) -> None:
        super().__init__()
        self.theme = theme
        self.words: Words = painter.words
        self.on_painted: Callable[[State, Picture, float], None] = lambda *_: None
        """Called after each frame that showed a new picture, with the monotonic time."""
        self.on_kept: Callable[[Kept], None] = lambda _: None
        """Called when taps and screen have reached the disk."""
        self._session = session
        self._painter = painter
        self._arrangement = arrangement
        self._clock = clock
        self._left_hand = left_hand
        self._offscreen = offscreen
        self._key_clock_s = 0.0
        self._awake_until_s = 0.0
        self._new: tuple[State, Picture] | None = None
        self._shown: tuple[Picture, int | None] | None = None
        self.view: Root
        session.on_change = self._changed
        session.on_kept = self._kept
        self._repaint = Frames.create_trigger(self._show, -1)

    def build(self) -> Root:
        """The widgets, once; Kivy has loaded `kiosk.kv` by the name of this class."""
        self.view = Root(self._arrangement, self._take, left_hand=self._left_hand)
        Window.bind(on_key_down=self._on_key, on_flip=self._on_flip)
        Frames.schedule_interval(self._on_frame, 0)
        self._show()
        return self.view

    def open_settings(self, *_: Kivy) -> bool:
        """Kivy's settings panel is not for customers."""
        return False

    def on_stop(self) -> None:
        """Let go of the window."""
        Window.unbind(on_key_down=self._on_key, on_flip=self._on_flip)
        Frames.unschedule(self._on_frame)
        self._repaint.cancel()
        self._session.on_change = lambda _: None

    def colour(self, name: str) -> Rgba:
        """A colour of the theme."""
        red, green, blue = self.theme.colours[name]
        return red, green, blue, 1

    def size(self, name: str) -> int:
        """A size of the theme in dp."""
        return self.theme.sizes[name]

    def press_ground(self, kind: str, state: str, disabled: bool) -> Rgba:  # noqa: FBT001 - a Kivy property
        """A button's ground: a pressed one is darker."""
        if disabled:
            return self.colour("background")
        if kind == "stop":
            return self.colour("ink_soft" if state == "down" else "ink")
        ground = self.colour("brand" if kind == "primary" else "surface")
        shade = 0.8 if state == "down" else 1.0
        return ground[0] * shade, ground[1] * shade, ground[2] * shade, 1

    def press_edge(self, kind: str, disabled: bool) -> Rgba:  # noqa: FBT001 - a Kivy property
        """A button's edge."""
        if disabled:
            return self.colour("line")
        return self.colour({"primary": "brand", "stop": "ink"}.get(kind, "control"))

    def press_ink(self, kind: str) -> Rgba:
        """A button's text. To stop is white on black, as IEC 60204-1 has it; red on yellow would promise safety."""
        return self.colour({"primary": "on_brand", "stop": "surface"}.get(kind, "brand"))

    def outcome_ground(self, kind: str) -> Rgba:
        """The ground under the outcome of a tap."""
        return self.colour(_OUTCOMES.get(kind, "hidden"))

    def outcome_ink(self, kind: str) -> Rgba:
        """The text of the outcome of a tap."""
        return self.colour(f"on_{_OUTCOMES.get(kind, 'hidden')}")

    def look_ground(self, look: str) -> Rgba:
        """The ground under a vehicle's state."""
        return self.colour(look) if look else self.clear

    def look_ink(self, look: str) -> Rgba:
        """The text of a vehicle's state."""
        return self.colour(f"on_{look}" if look else "ink")

    def status_ground(self, kind: str) -> Rgba:
        """The ground of the strip at the top."""
        return self.colour(_STATUSES.get(kind, "brand"))

    def status_ink(self, kind: str) -> Rgba:
        """The text of the strip at the top."""
        return self.colour(f"on_{_STATUSES.get(kind, 'brand')}")

    def _take(self, event: inputs.Input) -> None:
        self._wake()
        self._session.take(event)

    def _wake(self) -> None:
        self._awake_until_s = self._clock.monotonic_s() + AWAKE_S
        _set_pace(FRAMES_PER_S)

    def _kept(self, kept: Kept) -> None:
        self.on_kept(kept)

    def _changed(self, state: State) -> None:
        picture = self._painter.paint(state)
        shown = (picture, state.decided_for)  # the same cards for a newer basket are news to whoever measures
        if shown != self._shown:
            self._shown = shown
            self._new = (state, picture)
            self._wake()
            self._repaint()

    def _show(self, *_: Kivy) -> None:
        state, picture = self._new or (self._session.state, self._painter.paint(self._session.state))
        self.view.show(picture)
        self._new = (state, picture)
        Window.canvas.ask_update()

    def _on_flip(self, window: Kivy) -> bool:
        window.flip()
        if self._offscreen:
            glFinish()  # nobody looks, so nothing waits for the frame: unfinished ones would pile up, 4 MB each
        if self._new is not None:
            state, picture = self._new
            self._new = None
            self.on_painted(state, picture, self._clock.monotonic_s())
        return True  # it has been flipped

    def _on_frame(self, frame_s: float) -> None:
        self._key_clock_s += min(frame_s, FRAME_MAX_S)
        if self._clock.monotonic_s() >= self._awake_until_s:
            _set_pace(IDLE_FRAMES_PER_S)
        if late(self._session.state.wedge, self._key_clock_s)[1]:
            self._session.take(inputs.KeysRested(self._key_clock_s))

    def _on_key(self, _: Kivy, key: int, __: int, text: str | None, ___: Kivy) -> bool:
        pressed = ENTER if key in ENTER_KEYS else "\b" if key == BACKSPACE_KEY else KEYPAD.get(key, text or "")
        if len(pressed) == 1:
            self._take(inputs.KeyPressed(pressed, self._key_clock_s))
        return True


def _set_pace(frames_per_s: int) -> None:
    Frames._max_fps = frames_per_s  # noqa: SLF001 - Kivy reads its setting once, at the start
