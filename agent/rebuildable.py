"""Opens SQLite files that can be made again from their source: the catalogue, the learned tables.

Commits are therefore not fsynced one by one (`synchronous=NORMAL`), and a damaged file is set aside. `PRAGMA
user_version` is the format's version. Each file has one writer.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault, StorageFailed

__all__ = ["RebuildableFormat"]

WAL_BYTES_KEPT: Final = 4 * 1_048_576


@dataclass(frozen=True, slots=True)
class RebuildableFormat:
    """What a file of one kind holds, and what is said when it cannot be read."""

    version: int
    tables: str
    """The statements that make an empty file one of this version."""
    unreadable: type[EnvironmentFault]
    how_to_rebuild: str
    """As in "move the file aside … "."""
    busy_timeout_ms: int
    pragmas: tuple[str, ...] = ()
    """For the writer, beyond what all have."""

    def open_writer(self, file: Path) -> sqlite3.Connection:
        """The one read-write connection; makes the file and its tables. A damaged file is kept beside a new one.

        Raises:
            EnvironmentFault: of the type `unreadable`, when a newer version wrote it.
            StorageFailed: when the folder cannot be written.
        """
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._connect(file)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                _set_aside(file)
                return self._connect(file)
        except (OSError, sqlite3.Error) as error:
            raise StorageFailed(f"cannot open {file}: {error}; check the folder's owner and the disk") from error

    def open_reader(self, file: Path) -> sqlite3.Connection:
        """A connection that can only read.

        Raises:
            EnvironmentFault: of the type `unreadable`, when there is no such file.
        """
        address = f"{file.absolute().as_uri()}?mode=ro"
        try:
            connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self.unreadable(f"cannot read {file}: {error}") from error
        connection.execute(f"PRAGMA busy_timeout = {self.busy_timeout_ms}")
        return connection

    def _connect(self, file: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA busy_timeout = {self.busy_timeout_ms}")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            self._check_version(version, file)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
            for pragma in self.pragmas:
                connection.execute(f"PRAGMA {pragma}")
            if version == 0:
                connection.executescript(
                    f"BEGIN IMMEDIATE; {self.tables} PRAGMA user_version = {self.version}; COMMIT;"
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_version(self, version: int, file: Path) -> None:
        if version > self.version:
            raise self.unreadable(
                f"{file} has format {version}, this version reads up to {self.version}: start the newer version that "
                f"wrote it, or move the file aside {self.how_to_rebuild}"
            )


def _set_aside(file: Path) -> None:
    file.replace(file.with_name(f"{file.name}.damaged"))
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
