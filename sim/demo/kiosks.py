"""The kiosks of the demo: two of the twelve tills have one, wherever Kivy and a way to draw are there."""

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sim.demo.kiosk import Kiosk, KioskFailed
from sim.demo.kiosk_watch import KioskTimes

__all__ = ["KIOSK_LOG", "Kiosks"]

KIOSK_LOG: Final = "kiosk.log"
SIZE: Final = "1024x600"  # a usual panel at a till
SENT_TIMEOUT_S: Final = 7.0  # a Not now may be undone for 5 s before it is sent


class Kiosks:
    """All kiosks, or none and the sentence that says why."""

    def __init__(self, till_ids: Sequence[str], *, windows: bool) -> None:
        self.times: Final = KioskTimes()
        self.absence = ""
        """Why there are none, as a sentence."""
        self.unsent_taps = 0
        """Taps that no agent had taken when the kiosks were stopped; must stay 0."""
        self.exit_codes: list[int] = []
        self._till_ids = tuple(till_ids)
        self._windows = windows
        self._running: list[Kiosk] = []
        self._stopped = False

    @property
    def running(self) -> Sequence[Kiosk]:
        """Every kiosk, in the order of the tills."""
        return self._running

    async def start(self, settings_file: Path, data: Path, log: Path) -> None:
        """Start all, or none when one cannot be: the day is played without them."""
        if not self._till_ids:
            return
        if find_spec("kivy") is None:
            self.absence = "The tills have no kiosks, for Kivy is not installed: pip install 'storeforward[kiosk]'."
            return
        common = ["agent", "kiosk", "--driven", "--config", str(settings_file), "--data", str(data)]
        place = ["--size", SIZE] if self._windows else ["--size", SIZE, "--offscreen"]
        self._running = [Kiosk(till, [*common, *place, "--till", till], log, self.times) for till in self._till_ids]
        started = await asyncio.gather(*(kiosk.start() for kiosk in self._running), return_exceptions=True)
        failures = [failure for failure in started if isinstance(failure, BaseException)]
        if failures:
            await self._end()
            self._running, self.exit_codes = [], []
        for failure in failures:
            if not isinstance(failure, KioskFailed):
                raise failure
            self.absence = f"The tills have no kiosks, for this machine cannot show them: {failure}"

    async def stop(self) -> None:
        """Let every tap be sent, then end them; again does nothing."""
        if self._stopped:
            return
        self._stopped = True
        await asyncio.gather(*(kiosk.send_all(SENT_TIMEOUT_S) for kiosk in self._running))
        self.unsent_taps = sum(kiosk.watch.kept_taps for kiosk in self._running)
        await self._end()

    async def _end(self) -> None:
        self.exit_codes += await asyncio.gather(*(kiosk.stop() for kiosk in self._running))
