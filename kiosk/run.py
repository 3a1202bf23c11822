"""One kiosk from its options: puts state, client, session and screen together and runs them in one TaskGroup."""

import asyncio
import logging
import signal
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Final

from agent.clock import Clock, IdFactory, system_random
from kiosk.arrangement import Arrangement, arrange, text_scale_that_fits
from kiosk.client import AgentApi
from kiosk.kept import read_kept, restore
from kiosk.picture import Painter
from kiosk.screen.before_kivy import Window, prepare_kivy
from kiosk.session import Session
from kiosk.state import Face, Slot, State
from kiosk.theme import Theme, load_theme
from kiosk.words import Words

__all__ = ["KioskOptions", "fitting", "run_kiosk"]

IDLE_CUSTOMER_S: Final = 45.0
IDLE_STAFF_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class KioskOptions:
    """What one kiosk is: beside which till, for whom, in which language, in what window."""

    socket: Path
    folder: Path
    till_id: str
    kiosk_id: str
    zone: tzinfo
    window: Window
    face: Face = Face.STAFF
    language: str = "en"
    slots: int | None = None
    left_hand: bool = False
    idle_s: float | None = None
    theme_file: Path | None = None
    driven: bool = False


def run_kiosk(options: KioskOptions, clock: Clock) -> None:
    """Show the kiosk until it is stopped.

    Raises:
        KivyMissing, ThemeRefused, KeptUnusable
    """
    theme = load_theme(options.theme_file)
    options = replace(options, window=fitting(options.window))
    prepare_kivy(options.window, options.folder / "kivy")
    logging.getLogger("kivy").setLevel(logging.WARNING)
    asyncio.run(_serve(options, theme, clock))


async def _serve(options: KioskOptions, theme: Theme, clock: Clock) -> None:
    from kiosk.screen.app import KioskApp  # noqa: PLC0415 - Kivy comes after its settings
    from kiosk.screen.hands import Hands  # noqa: PLC0415 - as above

    arrangement = _arrangement(options)
    kept_file = options.folder / "taps.json"
    state = restore(_state(options, arrangement.slots, clock), read_kept(kept_file), clock.wall())
    painter = Painter(Words(options.language), options.zone)
    async with AgentApi(options.socket, options.kiosk_id) as api, asyncio.TaskGroup() as tasks:
        session = Session(state, api, kept_file, clock)
        app = KioskApp(
            session,
            painter,
            theme,
            arrangement,
            clock,
            left_hand=options.left_hand,
            offscreen=options.window.offscreen,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, app.stop)
        serving = [tasks.create_task(session.run(), name="session")]
        if options.driven:
            hands = Hands(app, clock, lambda line: print(line, flush=True))  # noqa: T201 - what it is for
            serving.append(tasks.create_task(hands.run(), name="hands"))
        await app.async_run(async_lib="asyncio")
        for task in serving:
            task.cancel()


def fitting(window: Window) -> Window:
    """The same with text no larger than there is room for."""
    width_dp, height_dp = window.width / window.density, window.height / window.density
    return replace(window, text_scale=text_scale_that_fits(width_dp, height_dp, window.text_scale))


def _arrangement(options: KioskOptions) -> Arrangement:
    window = options.window
    width_dp, height_dp = window.width / window.density, window.height / window.density
    return arrange(width_dp, height_dp, slots=options.slots, text_scale=window.text_scale)


def _state(options: KioskOptions, slots: int, clock: Clock) -> State:
    return State(
        till_id=options.till_id,
        session=IdFactory(clock.wall, system_random())(),
        slots=(Slot(),) * slots,
        face=options.face,
        idle_s=options.idle_s or (IDLE_STAFF_S if options.face is Face.STAFF else IDLE_CUSTOMER_S),
        touched_s=clock.monotonic_s(),
    )
