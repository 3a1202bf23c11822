"""Pictures of the kiosks for the report, each taken the first time that its moment comes."""

from pathlib import Path
from typing import Final

from sim.demo.kiosk import Kiosk
from sim.demo.painted import Painted

__all__ = ["PICTURES", "Album"]

SUGGESTIONS: Final = "kiosk-suggestions.png"
OFFLINE: Final = "kiosk-offline.png"
ACCEPTED: Final = "kiosk-accepted.png"
STOPPED: Final = "kiosk-stopped.png"
PICTURES: Final = (SUGGESTIONS, OFFLINE, ACCEPTED, STOPPED)

LINES_MIN: Final = 4  # a basket that looks like one
REASONS_MIN: Final = 2  # kinds of reasons side by side


class Album:
    """One folder's pictures; call it when nothing is being measured, a picture takes its time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[tuple[str, bool]] = set()

    async def look(self, kiosk: Kiosk) -> None:
        """Take the picture whose moment this is, if any; one with several kinds of reasons replaces one without."""
        painted = kiosk.painted
        name = _moment(painted) if painted is not None else None
        if painted is None or name is None or (name, True) in self._taken:
            return
        picture = (name, name in (ACCEPTED, STOPPED) or _is_varied(painted))
        if picture not in self._taken:
            self._taken.add(picture)
            await kiosk.screenshot(self._folder / name)


def _moment(painted: Painted) -> str | None:
    if painted.stop == "stopped":
        return STOPPED
    if painted.lines < LINES_MIN:
        return None
    if any(card.kind == "done" for card in painted.cards):
        return ACCEPTED
    if any(card.kind != "idle" for card in painted.cards):
        return None
    return {"online": SUGGESTIONS, "offline": OFFLINE}.get(painted.status_kind)


def _is_varied(painted: Painted) -> bool:
    return len({card.reason.split(" ", 1)[0] for card in painted.cards}) >= REASONS_MIN
