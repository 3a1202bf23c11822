"""Draws every scene offscreen and tells where everything stands: `python -m tests.kiosk.scene_renderer --help`.

A process of its own, since Kivy has one window for the life of a process.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from agent.clock import SystemClock
from kiosk.arrangement import arrange
from kiosk.client import AgentApi
from kiosk.picture import Painter
from kiosk.run import fitting
from kiosk.screen.before_kivy import Window, prepare_kivy
from kiosk.session import Session
from kiosk.theme import load_theme
from kiosk.words import Words
from tests.kiosk.scenes import SCENES, Kiosk

Json = Any  # Any: what json.dumps takes
Kivy = Any  # Any: Kivy's classes carry no types


def boxes(widget: Kivy, press_class: Kivy, text_class: Kivy) -> Iterator[Json]:
    """Buttons and texts in the tree, with their places in the window from its top left corner."""
    from kivy.core.window import Window as Shown  # noqa: PLC0415 - Kivy comes after its settings

    for child in widget.children:
        yield from boxes(child, press_class, text_class)
        if isinstance(child, text_class) and child.raw and child.opacity:
            x, y = child.to_window(child.x, child.y)
            yield {
                "press": isinstance(child, press_class),
                "kind": getattr(child, "kind", ""),
                "raw": child.raw,
                "whole": not child.is_shortened and child.text.count("…") == child.raw.count("…"),
                "box": [x, Shown.height - y - child.height, child.width, child.height],
                "texture": list(child.texture_size),
                "letters": child.font_size,
                "disabled": child.disabled,
            }


async def draw(options: argparse.Namespace) -> dict[str, Json]:
    from kivy.core.window import Window as Shown  # noqa: PLC0415 - Kivy comes after its settings

    from kiosk.screen.app import KioskApp  # noqa: PLC0415 - Kivy comes after its settings
    from kiosk.screen.hands import screenshot  # noqa: PLC0415 - Kivy comes after its settings
    from kiosk.screen.text import Press, Text  # noqa: PLC0415 - Kivy comes after its settings

    told: dict[str, Json] = {}
    window = fitting(Window(options.width, options.height, text_scale=options.scale))
    arrangement = arrange(window.width, window.height, text_scale=window.text_scale)
    painter = Painter(Words(options.language), UTC)
    async with AgentApi(options.out / "no.sock", "kiosk-3") as api:
        session = Session(Kiosk.new(arrangement.slots).state, api, options.out / "taps.json", SystemClock())
        app = KioskApp(
            session, painter, load_theme(), arrangement, SystemClock(), left_hand=options.left_hand, offscreen=True
        )
        painted = asyncio.Event()
        app.on_painted = lambda *_: painted.set()

        async def drive() -> None:
            for name, make in SCENES.items():
                painted.clear()
                session.state = make(arrangement.slots).state
                session.on_change(session.state)
                await painted.wait()
                await asyncio.sleep(0.1)  # layouts settle within a frame or two; nothing tells when
                screenshot(options.out / f"{name}.png")
                told[name] = {"window": list(Shown.size), "boxes": list(boxes(app.view, Press, Text))}
            session.state = next(iter(SCENES.values()))(arrangement.slots).state
            session.on_change(session.state)  # a change in the last moment must not end us with an error
            app.stop()

        driving = asyncio.create_task(drive())
        await app.async_run(async_lib="asyncio")
        await driving
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--language", default="en")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--left-hand", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    window = fitting(Window(options.width, options.height, offscreen=True, text_scale=options.scale))
    prepare_kivy(window, options.out / "kivy")
    (options.out / "scenes.json").write_text(json.dumps(asyncio.run(draw(options))), encoding="utf-8")


if __name__ == "__main__":
    main()
