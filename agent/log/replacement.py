"""Puts a finished log file in the place of the present one, which is kept: after a kill at any moment, old or new.

The new file is made ready in a folder of its own. Renaming that folder is the decision; what follows (the present
file goes to `old/`, with its -wal, and the new one takes its place) is done again from where it stopped, by
whoever opens the log next. So at no moment a log can be opened that is neither, or with the other's -wal.
"""

import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Final

from agent.errors import StorageFailed
from agent.log.mark import MARK
from agent.log.schema import shm_of, wal_of
from agent.private_file import give_to_owner, sync_folder

__all__ = ["FILE", "SALVAGE", "decide", "finish", "stage"]

FILE: Final = "events.sqlite"
SALVAGE: Final = "salvage.json"
"""Lies beside a log that was put aside, and says why: its undelivered events are wanted back."""
_STAGE: Final = "restore.draft"
_DECIDED: Final = "restore."


def stage(folder: Path) -> Path:
    """An empty folder inside the log's, to make the new file in; what an earlier attempt left is gone."""
    staged = folder / _STAGE
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o750)
    give_to_owner(staged, folder)
    return staged


def decide(folder: Path, salvage: str, at: datetime) -> Path:
    """From here on the new file is the log; where the present one goes. `salvage` is written beside that one."""
    staged, moment = folder / _STAGE, f"{at:%Y%m%dT%H%M%SZ}"
    number = 1
    while (folder / "old" / (name := f"{moment}-{number}")).exists():
        number += 1
    (staged / SALVAGE).write_text(salvage, encoding="utf-8")
    give_to_owner(staged / SALVAGE, folder)
    for file in (staged / SALVAGE, staged / FILE):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    sync_folder(staged)
    staged.rename(folder / f"{_DECIDED}{name}")
    sync_folder(folder)
    return folder / "old" / name


def finish(folder: Path) -> None:
    """Do what was decided and is not done, under the log's lock.

    Raises:
        StorageFailed: the folder cannot be written.
    """
    try:
        for decided in sorted(folder.glob(f"{_DECIDED}[0-9]*")):
            if (decided / FILE).exists():
                _put_aside(folder, decided)
                (decided / FILE).rename(folder / FILE)
                sync_folder(folder)
            shutil.rmtree(decided)
    except OSError as error:
        raise StorageFailed(
            f"a restore in {folder} cannot be finished ({error.strerror}: {error.filename}): check the folder's owner"
        ) from error


def _put_aside(folder: Path, decided: Path) -> None:
    """The present log, if there is one, goes to `old/`; durable before its place is taken."""
    aside = folder / "old" / decided.name.removeprefix(_DECIDED)
    if present := [file for file in (folder / FILE, wal_of(folder / FILE), shm_of(folder / FILE)) if file.exists()]:
        for one in (aside.parent, aside):
            one.mkdir(mode=0o750, exist_ok=True)
            give_to_owner(one, folder)
        for file in present:
            file.rename(aside / file.name)
    if (aside / FILE).exists() and (decided / SALVAGE).exists():
        (decided / SALVAGE).rename(aside / SALVAGE)
        sync_folder(aside)
        sync_folder(aside.parent)
    (folder / MARK).unlink(missing_ok=True)
    sync_folder(folder)
