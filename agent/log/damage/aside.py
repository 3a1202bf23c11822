"""Puts a log file that cannot be used aside, whole, under `old/`, where the salvage finds it later.

A folder `old/TIME/` holds `salvage.json`, which says why and how far the salvage is, and the files as they were. The
note is written first and says `moving`: a move that was cut short is finished at the next opening, so that a file and
its write-ahead log are never parted.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from agent.errors import StorageFailed
from agent.log.damage.wal import KEPT_WAL
from agent.private_file import sync_file, sync_folder

__all__ = ["MOVED", "OldLog", "Progress", "condemn", "condemned", "finish_moves", "old_logs", "put_aside"]

NOTE: Final = "salvage.json"
CONDEMNED: Final = "events.sqlite.damaged"
MARK: Final = "opened.json"
MOVED: Final = ("events.sqlite-wal", "events.sqlite-shm", KEPT_WAL, "events.sqlite", CONDEMNED, MARK)
REASON_CHARS_MAX: Final = 500


class Progress(StrEnum):
    """How far an old log is."""

    MOVING = "moving"
    PENDING = "pending"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class OldLog:
    """One log that was put aside, and what its salvage has brought so far."""

    folder: Path
    reason: str
    at_ms: int
    progress: Progress = Progress.PENDING
    salvaged: int = 0
    lost: int = 0

    @property
    def file(self) -> Path:
        """The log file itself."""
        return self.folder / "events.sqlite"

    @classmethod
    def read(cls, note: Path) -> Self:
        """What a note says; one that cannot be read is taken as pending."""
        try:
            told: dict[str, Any] = json.loads(note.read_bytes())  # Any: a JSON object
            return cls(
                note.parent,
                str(told.get("reason", "")),
                int(told.get("at_ms", 0)),
                Progress(told.get("progress", Progress.PENDING)),
                int(told.get("salvaged", 0)),
                int(told.get("lost", 0)),
            )
        except (OSError, ValueError, TypeError, AttributeError):
            return cls(note.parent, "unknown", 0)

    def write(self) -> None:
        """Make the note durable.

        Raises:
            OSError: it cannot be written.
        """
        told = asdict(self)
        del told["folder"]
        note, new = self.folder / NOTE, self.folder / f"{NOTE}.new"
        new.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        sync_file(new)
        new.replace(note)
        sync_folder(self.folder)


def condemn(folder: Path, reason: str) -> None:
    """Note that the log of a folder is to be put aside at the next opening; what cannot be noted is found again."""
    with suppress(OSError):
        mark = folder / CONDEMNED
        mark.write_text(reason[:REASON_CHARS_MAX] + "\n", encoding="utf-8")
        sync_file(mark)
        sync_folder(folder)


def condemned(folder: Path) -> str:
    """Why the log is to be put aside; empty when it is not."""
    try:
        return (folder / CONDEMNED).read_text(encoding="utf-8").strip() or "damaged"
    except (OSError, UnicodeDecodeError):
        return ""


def put_aside(folder: Path, reason: str, at_ms: int) -> OldLog:
    """Move the log of a folder aside.

    Raises:
        StorageFailed: it cannot be moved; what was not moved yet will be at the next opening.
    """
    try:
        place = folder / "old" / str(at_ms)
        while place.exists():
            place = place.with_name(f"{place.name}x")
        place.mkdir(parents=True)
        sync_folder(folder / "old")
        sync_folder(folder)
        old = OldLog(place, reason[:REASON_CHARS_MAX], at_ms, Progress.MOVING)
        old.write()
        return _move(folder, old)
    except OSError as error:
        raise StorageFailed(f"cannot move the damaged log in {folder} aside: {error.strerror}") from error


def finish_moves(folder: Path) -> None:
    """Finish what a kill cut short.

    Raises:
        StorageFailed: it cannot be moved.
    """
    for old in old_logs(folder):
        if old.progress is Progress.MOVING:
            try:
                _move(folder, old)
            except OSError as error:
                raise StorageFailed(f"cannot move the damaged log in {folder} aside: {error.strerror}") from error


def old_logs(folder: Path) -> list[OldLog]:
    """All that were put aside, oldest first."""
    return sorted((OldLog.read(note) for note in (folder / "old").glob(f"*/{NOTE}")), key=lambda old: old.folder.name)


def _move(folder: Path, old: OldLog) -> OldLog:
    for name in MOVED:
        if (folder / name).exists():
            (folder / name).replace(old.folder / name)
    sync_folder(old.folder)
    sync_folder(folder)
    moved = replace(old, progress=Progress.PENDING)
    moved.write()
    return moved
