"""Brings a log file of an earlier version up to date before it is opened; see `migrations` for the steps.

Whether there is something to do, one PRAGMA tells. The work is done by a child process, because it needs a library
that a running agent should not carry. The child inherits the lock: whoever kills the parent cannot start a second
writer beside it.
"""

import json
import logging
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from agent.errors import EnvironmentFault, LogDamaged, LogUnreadable, StorageFailed, StorageFull
from agent.log.lock import StoreLock
from agent.log.room import Ballast
from agent.log.schema import FORMAT, frames_of, open_reader
from agent.log_lines import log_event
from agent.private_file import give_to_owner, sync_folder

__all__ = ["bring_up_to_date"]

MIGRATION_TIMEOUT_S: Final = 3_600.0
"""Hours of log on a slow card are copied before they are changed."""
SAID_CHARS_MAX: Final = 300
_FAULTS: Final[dict[str, type[EnvironmentFault]]] = {
    fault.__name__: fault for fault in (LogDamaged, LogUnreadable, StorageFull, StorageFailed)
}

logger = logging.getLogger(__name__)


def bring_up_to_date(file: Path, lock: StoreLock, *, keep_copy: bool = True) -> None:
    """See to it that a log file has this version's format; a missing or damaged file is left to whoever opens it.

    With `keep_copy`, the file as it was is kept in `old/format-N/`, where there is room.

    Raises:
        LogUnreadable, StorageFull, StorageFailed: it could not be brought up to date, and is as it was.
    """
    version = _format_of(file)
    if version is None or not 0 < version < FORMAT:
        return
    copy = _place_for_copy(file, version) if keep_copy else None
    log_event(logger, logging.INFO, "log.migrating", "the log is brought to a newer format", of=version, to=FORMAT)
    answer = _run_child(file, copy, lock)
    if answer.get("fault") == StorageFull.__name__ and Ballast(file.with_name("ballast"), 0).let_go():
        answer = _run_child(file, copy, lock)
    if "fault" in answer:
        raise _FAULTS.get(answer["fault"], StorageFailed)(
            f"{file} could not be brought from format {version} to {FORMAT}: {answer['why']}. The file is as it was: "
            "start again once that is mended, or go back to the version before"
        )
    if answer.get("no_copy"):
        log_event(logger, logging.WARNING, "log.no_copy", "no copy of the earlier format", why=answer["no_copy"])
    log_event(logger, logging.INFO, "log.migrated", "the log has the newer format", format=FORMAT, copy=str(copy))


def _format_of(file: Path) -> int | None:
    if not file.exists():
        return None
    frames_of(file)
    try:
        with closing(open_reader(file)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        return None


def _place_for_copy(file: Path, version: int) -> Path:
    """One place per format: an attempt that failed leaves no copies behind it."""
    folder = file.parent / "old" / f"format-{version}"
    try:
        for one in (folder.parent, folder):
            one.mkdir(mode=0o750, exist_ok=True)
            give_to_owner(one, file.parent)
            sync_folder(one.parent)
    except OSError as error:
        raise StorageFailed(f"cannot make {folder}: {error.strerror}; check the folder's owner") from error
    return folder / file.name


def _run_child(file: Path, copy: Path | None, lock: StoreLock) -> dict[str, Any]:  # Any: JSON
    command = [sys.executable, "-m", "agent.log.migrations", str(file), *([str(copy)] if copy else [])]
    try:
        child = subprocess.run(  # noqa: S603 - this interpreter, a module of ours
            command, capture_output=True, text=True, check=False, timeout=MIGRATION_TIMEOUT_S, pass_fds=[lock.fileno()]
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"fault": StorageFailed.__name__, "why": f"it took more than {MIGRATION_TIMEOUT_S:.0f} s"}
    except OSError as error:
        return {"fault": StorageFailed.__name__, "why": f"no child process: {error.strerror}"}
    with suppress(ValueError):
        answer: dict[str, Any] = json.loads(child.stdout)  # Any: JSON
        return answer
    said = child.stderr.strip()[-SAID_CHARS_MAX:]
    return {"fault": StorageFailed.__name__, "why": f"the child process ended with {child.returncode}: {said}"}
