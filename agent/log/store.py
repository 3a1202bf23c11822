"""The log's one writer, without a thread: groups of jobs in, one durable transaction each, answers out.

State in memory (heads, cursors, epochs) is a few rows per stream and changes only after COMMIT returned. When a
transaction fails, the connection is opened again and the state read from the file: nothing is assumed.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault, StorageFailed, StorageFull
from agent.log.group import Answer, Group
from agent.log.identities import Identities
from agent.log.jobs import Job
from agent.log.schema import fault_of, open_writer
from agent.log.state import LogState

__all__ = ["Answer", "Store"]

_REMEMBER_BOOT: Final = "INSERT INTO boot (id) VALUES (?)"
_FIND_BOOT: Final = "SELECT number FROM boot WHERE id = ?"


class Store:
    """The read-write side of one events.sqlite.

    Raises:
        LogUnreadable: the file is damaged, newer than this version, or no log.
        StorageFull, StorageFailed: it cannot be written.
    """

    def __init__(self, file: Path, *, size_bytes_max: int, boot: str, reopened: Callable[[], None]) -> None:
        self._file = file
        self._size_bytes_max = size_bytes_max
        self._boot_id = boot
        self._reopened = reopened
        self._state: LogState
        self._connection: sqlite3.Connection | None = None
        """None while a fault keeps the file from being opened again; each commit tries."""
        self._open()

    @property
    def state(self) -> LogState:
        """What is durable now. Replaced, never changed, so that other threads may read it."""
        return self._state

    def close(self) -> None:
        """Let go of the file."""
        if self._connection:
            self._connection.close()

    def commit(self, jobs: Sequence[Job]) -> list[Answer]:
        """Do all jobs in one transaction; the answers are in the jobs' order and true once this returns.

        A job the caller got wrong (an id conflict) is answered with its error and leaves the others alone. When the
        disk is full, jobs are tried one by one: a cursor or a small append may still fit. Any other storage fault
        fails them all.
        """
        try:
            connection = self._connection or self._open()
            connection.execute("BEGIN IMMEDIATE")
            group = Group(connection, self._identities, self._state, self._boot)
            answers = group.do(jobs)
            state = group.finish()
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            fault = self._recover(fault_of(self._file, error))
        except EnvironmentFault as unopened:
            fault = unopened
        else:
            self._state = state
            return answers
        if isinstance(fault, StorageFull) and len(jobs) > 1:
            return [answer for job in jobs for answer in self.commit([job])]
        return [type(fault)(str(fault)) for _ in jobs]

    def _open(self) -> sqlite3.Connection:
        connection = open_writer(self._file, size_bytes_max=self._size_bytes_max)
        try:
            boot = connection.execute(_FIND_BOOT, (self._boot_id,)).fetchone()
            self._boot = boot[0] if boot else connection.execute(_REMEMBER_BOOT, (self._boot_id,)).lastrowid or 0
            self._identities = Identities(connection)
            self._state = LogState.load(connection)
        except sqlite3.Error as error:
            connection.close()
            raise fault_of(self._file, error) from error
        self._connection = connection
        return connection

    def _recover(self, fault: EnvironmentFault) -> EnvironmentFault:
        """After a failed transaction: a full disk needs a rollback only, anything else a new connection."""
        assert self._connection is not None
        try:
            if isinstance(fault, StorageFull):
                if self._connection.in_transaction:  # SQLite may have rolled back by itself
                    self._connection.execute("ROLLBACK")
                self._identities = Identities(self._connection)
                return fault
            self._connection.close()
            self._connection = None
            self._open()
        except (EnvironmentFault, sqlite3.Error) as again:
            return StorageFailed(f"{fault}; opening it again failed too: {again}")
        self._reopened()
        return StorageFailed(f"{fault}; nothing of this was acknowledged, send it again")
