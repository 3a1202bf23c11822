"""Brings a log file of an earlier format to this version's: the child process that `upgrade` runs.

`python -m agent.log.migrations FILE [COPY]` keeps a copy first where COPY is named and has room, then takes all steps
in one transaction with their record and the format's number, and answers with one JSON object. The parent holds the
log's lock and waits. sqlite_utils is imported here and in no process that goes on running.
"""

import json
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlite_utils import Database, Migrations

from agent.errors import EnvironmentFault, StorageFull
from agent.log.copies.backup import copy_log
from agent.log.damage.wal import WalFrames
from agent.log.schema import ADDED, FORMAT, check_format, check_wal, fault_of, frames_of

__all__ = ["main"]

NAME: Final = "storeforward.log"
BUSY_TIMEOUT_MS: Final = 5_000


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 when the file has this version's format now; 1 when it is as it was."""
    file, copy = Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else None
    try:
        frames = frames_of(file)
        no_copy = _keep(file, copy) if copy else ""
        _migrate(file, frames)
    except EnvironmentFault as fault:
        print(json.dumps({"fault": type(fault).__name__, "why": str(fault)}))  # noqa: T201 - the answer
        return 1
    print(json.dumps({"no_copy": no_copy}))  # noqa: T201 - the answer
    return 0


def _keep(file: Path, copy: Path) -> str:
    """Copy the file as it is; why not, when there is no room: a shop whose disk is full must start all the same."""
    try:
        copy_log(file, copy)
    except StorageFull as full:
        return str(full)
    return ""


def _migrate(file: Path, frames: WalFrames) -> None:
    """All steps that the file lacks, in one transaction."""
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA synchronous = FULL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            check_format(file, version)
            check_wal(connection, file, frames)
            with closing(Database(connection, execute_plugins=False)) as database:
                with database.atomic():
                    _steps_from(version).apply(database)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise fault_of(file, error) from error


def _steps_from(version: int) -> Migrations:
    """The steps that a file lacks. Its format decides, not the record: a file that was new with a format has none."""
    steps = Migrations(NAME)
    for number in range(version + 1, FORMAT + 1):
        steps(name=f"format {number}")(_step(number))
    return steps


def _step(number: int) -> Callable[[Database], None]:
    """What a format has that the one before had not; one that changes more than tables gets a function beside this."""

    def take(database: Database, /) -> None:
        for statement in ADDED[number]:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {number}")

    return take


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
