"""Puts a finished log file in the place of the present one, which is put aside: after a kill at any moment, old or new.

The new file is made ready in a folder of its own. Renaming that folder is the decision; what follows (the present log
is put aside as a damaged one is, and the new one takes its place) is done again from where it stopped, by whoever
opens the log next. So at no moment a log can be opened that is neither, or with the other's -wal.
"""

import shutil
from pathlib import Path
from typing import Final

from agent.errors import StorageFailed
from agent.log.damage.aside import MARK, MOVED, finish_moves, put_aside
from agent.private_file import give_to_owner, sync_file, sync_folder

__all__ = ["FILE", "REASON", "decide", "finish", "stage"]

FILE: Final = "events.sqlite"
REASON: Final = "restored"
"""Why the log that was there is put aside, in its note for the salvage."""
_STAGE: Final = "restore.draft"
_DECIDED: Final = "restore."


def stage(folder: Path) -> Path:
    """An empty folder inside the log's, to make the new file in; what an earlier attempt left is gone."""
    staged = folder / _STAGE
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o750)
    give_to_owner(staged, folder)
    return staged


def decide(folder: Path, at_ms: int) -> None:
    """From here on the new file is the log, once `finish` has done what is left to do."""
    sync_file(folder / _STAGE / FILE)
    sync_folder(folder / _STAGE)
    (folder / _STAGE).rename(folder / f"{_DECIDED}{at_ms}")
    sync_folder(folder)


def finish(folder: Path) -> Path | None:
    """Do what was decided and is not done, under the log's lock; where the log lies that was put aside for it now.

    Raises:
        StorageFailed: the folder cannot be written.
    """
    finish_moves(folder)
    aside = None
    try:
        for decided in sorted(folder.glob(f"{_DECIDED}[0-9]*")):
            if (decided / FILE).exists():
                aside = _put_aside(folder, int(decided.name.removeprefix(_DECIDED)))
                (decided / FILE).rename(folder / FILE)
                sync_folder(folder)
            shutil.rmtree(decided)
    except OSError as error:
        raise StorageFailed(
            f"a restore in {folder} cannot be finished ({error.strerror}: {error.filename}): check the folder's owner"
        ) from error
    return aside


def _put_aside(folder: Path, at_ms: int) -> Path | None:
    """The present log, if there is one, goes to `old/`; durable before its place is taken."""
    if {name for name in MOVED if (folder / name).exists()} <= {MARK}:
        (folder / MARK).unlink(missing_ok=True)
        return None
    aside = put_aside(folder, REASON, at_ms).folder
    for made in (aside.parent, aside, *aside.iterdir()):
        give_to_owner(made, folder)
    return aside
