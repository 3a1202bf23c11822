"""Sets Kivy up. Kivy reads its environment and its settings while it is imported, so this has to run before that."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault
from kiosk.screen.font_files import default_font, stand_in_for_fallback

__all__ = ["FRAMES_PER_S", "KivyMissing", "Window", "prepare_kivy"]

OFFSCREEN: Final = "offscreen"
FRAMES_PER_S: Final = 60


class KivyMissing(EnvironmentFault):
    """Kivy is not installed, or not whole; `str()` says how to get it."""


@dataclass(frozen=True, slots=True)
class Window:
    """The window: its size in pixels, how many pixels a dp is, and how much larger than usual the text."""

    width: int = 1280
    height: int = 800
    fullscreen: bool = False
    offscreen: bool = False
    density: float = 1.0
    text_scale: float = 1.0


def prepare_kivy(window: Window, folder: Path) -> None:
    """Settings for a kiosk; Kivy's own files go to `folder`.

    Raises:
        KivyMissing
    """
    if find_spec("kivy") is None:
        raise KivyMissing("the kiosk needs Kivy: pip install 'storeforward[kiosk]'")
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    os.environ.update(
        KIVY_NO_ARGS="1",
        KIVY_HOME=str(folder),
        KIVY_LOG_MODE="PYTHON",
        KIVY_NO_ENV_CONFIG="1",
        KIVY_METRICS_DENSITY=str(window.density),
        KIVY_METRICS_FONTSCALE=str(window.text_scale),
        KIVY_IMAGE="sdl2",
    )
    if window.offscreen:
        os.environ["SDL_VIDEODRIVER"] = OFFSCREEN
    from kivy import kivy_data_dir  # noqa: PLC0415 - only now that the environment is right
    from kivy.config import Config  # noqa: PLC0415 - as above

    fonts = Path(kivy_data_dir) / "fonts"
    font = default_font(fonts)
    if font is None:
        raise KivyMissing(f"Kivy has no fonts in {fonts}: pip install --force-reinstall kivy")
    settings = {
        ("graphics", "width"): window.width,
        ("graphics", "height"): window.height,
        ("graphics", "fullscreen"): "auto" if window.fullscreen else 0,
        ("graphics", "borderless"): 0,
        ("graphics", "resizable"): 0,
        ("graphics", "multisamples"): 0,
        ("graphics", "maxfps"): FRAMES_PER_S,
        ("kivy", "default_font"): font,
        ("kivy", "exit_on_escape"): 0,
        ("kivy", "pause_on_minimize"): 0,
        ("kivy", "keyboard_mode"): "system",
        ("widgets", "scroll_timeout"): 20,
        ("input", "mouse"): "mouse,disable_multitouch",
    }
    for (section, key), value in settings.items():
        Config.set(section, key, str(value))
    stand_in_for_fallback(fonts)
