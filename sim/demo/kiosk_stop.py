"""Stop vehicles at a kiosk of the demo: a real touch, and the picture of what the kiosk then says."""

from collections.abc import Sequence
from typing import Final

from sim.demo.album import Album
from sim.demo.kiosk import Kiosk

__all__ = ["KioskStop"]

ENDED: Final = ("stopped", "silent", "untold")
ENDED_TIMEOUT_S: Final = 12.0  # the kiosk tells the agent for 5 s, and gives the vehicles 3 s
READ_TIMEOUT_S: Final = 1.0


class KioskStop:
    """The button at whichever kiosk shows it; `kiosks` may have ended by now."""

    def __init__(self, kiosks: Sequence[Kiosk], album: Album) -> None:
        self._kiosks = kiosks
        self._album = album

    @property
    def is_there(self) -> bool:
        """Whether a kiosk runs and shows it."""
        return self._nearest() is not None

    async def press(self) -> float | None:
        """Touch it, read what comes of it, and close that; when the finger came down, None when nothing was stopped."""
        kiosk = self._nearest()
        if kiosk is None:
            return None
        down_s = await kiosk.tap("stop")
        await kiosk.until(lambda: _stop_at(kiosk) in ENDED, ENDED_TIMEOUT_S)
        stopped = _stop_at(kiosk) == "stopped"
        await self._album.look(kiosk)
        await kiosk.tap("close_stop")
        await kiosk.until(lambda: _stop_at(kiosk) is None, READ_TIMEOUT_S)
        return down_s if stopped else None

    def _nearest(self) -> Kiosk | None:
        """The one with the longest basket, for the picture."""
        offering = [(kiosk.painted.lines, kiosk) for kiosk in self._kiosks if kiosk.painted and kiosk.painted.can_stop]
        running = [(lines, kiosk) for lines, kiosk in offering if kiosk.pid is not None]
        return max(running, key=lambda one: one[0])[1] if running else None


def _stop_at(kiosk: Kiosk) -> str | None:
    return kiosk.painted.stop if kiosk.painted is not None else None
