"""The log's one writer, without a thread: groups of jobs in, one durable transaction each, answers out.

State in memory (heads, cursors, epochs) is a few rows per stream and changes only after COMMIT returned. When a
transaction fails, the connection is opened again and the state read from the file: nothing is assumed.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from agent.errors import EnvironmentFault, LogUnreadable, StorageFailed, StorageFull
from agent.event_types import Stream
from agent.log.group import Answer, Group
from agent.log.identities import Identities
from agent.log.jobs import Append, Change, Job, Prune
from agent.log.schema import fault_of, open_writer
from agent.log.state import LogState
from agent.log_lines import log_event

__all__ = ["Answer", "Store"]

_REMEMBER_BOOT: Final = "INSERT INTO boot (id) VALUES (?)"
_FIND_BOOT: Final = "SELECT number FROM boot WHERE id = ?"

Done = TypeVar("Done")

logger = logging.getLogger(__name__)


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
        self._damaged: set[str] = set()
        """What retention leaves alone from now on, because clearing it met damage."""
        self._state: LogState
        self._connection: sqlite3.Connection | None = None
        """None while a fault keeps the file from being opened again; each commit tries."""
        self._open()

    @property
    def state(self) -> LogState:
        """What is durable now. Replaced, never changed, so that other threads may read it."""
        return self._state

    @property
    def damaged(self) -> frozenset[str]:
        """The parts of the file that retention leaves alone because they are damaged: streams, or one of its steps."""
        return frozenset(self._damaged)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection:
            self._connection.close()

    def commit(self, jobs: Sequence[Job]) -> list[Answer]:
        """Do all jobs in one transaction; the answers are in the jobs' order and true once this returns.

        A job the caller got wrong (an id conflict) is answered with its error and leaves the others alone. When the
        disk is full, jobs are tried one by one: a cursor or a small append may still fit. Any other storage fault
        fails them all. Retention comes last, in transactions of its own.
        """
        changes = iter(self._commit([job for job in jobs if not isinstance(job, Prune)]))
        return [self._prune(job) if isinstance(job, Prune) else next(changes) for job in jobs]

    def _commit(self, jobs: Sequence[Change]) -> list[Answer]:
        if not jobs:
            return []
        try:
            return self._transact(lambda group: group.do(jobs))
        except sqlite3.DatabaseError as error:
            fault = self._recover(fault_of(self._file, error))
        except EnvironmentFault as unopened:
            fault = unopened
        if isinstance(fault, StorageFull) and len(jobs) > 1:
            return self._commit_one_by_one(jobs)
        return [type(fault)(str(fault)) for _ in jobs]

    def _commit_one_by_one(self, jobs: Sequence[Change]) -> list[Answer]:
        """On a full disk: cursors first, they need least; of the appends only those smaller than one that failed."""
        answers: dict[int, Answer] = {}
        too_many, refusal = 0, ""
        for at in sorted(range(len(jobs)), key=lambda at: isinstance(jobs[at], Append)):
            job = jobs[at]
            events = len(job.drafts) if isinstance(job, Append) else 0
            if refusal and events >= too_many:
                answers[at] = StorageFull(refusal)
                continue
            (answers[at],) = self._commit([job])
            if events and isinstance(fault := answers[at], StorageFull):
                too_many, refusal = events, str(fault)
        return [answers[at] for at in range(len(jobs))]

    def _transact(self, work: Callable[[Group], Done]) -> Done:
        connection = self._connection or self._open()
        connection.execute("BEGIN IMMEDIATE")
        group = Group(connection, self._identities, self._state, self._boot)
        done = work(group)
        state = group.finish()
        connection.execute("COMMIT")
        self._state = state
        self._identities.changed = False
        return done

    def _prune(self, job: Prune) -> Answer:
        """Each step commits by itself, so that damage in one stream does not keep the others."""
        gone = 0
        for name, step in _retention(job):
            if name in self._damaged:
                continue
            try:
                gone += self._transact(step)
            except sqlite3.DatabaseError as error:
                fault = fault_of(self._file, error)
                if not isinstance(fault, LogUnreadable):
                    return self._recover(fault)
                self._leave_alone(name, fault)
            except EnvironmentFault as unopened:
                return unopened
        return gone

    def _leave_alone(self, name: str, fault: LogUnreadable) -> None:
        """Said once; the step is not tried again until the next start."""
        self._damaged.add(name)
        log_event(
            logger, logging.ERROR, "log.damaged", "old events stay: the log is damaged", part=name, why=str(fault)
        )
        try:
            self._roll_back()
        except sqlite3.Error:
            self._recover(fault)

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
                self._roll_back()
                return fault
            self._connection.close()
            self._connection = None
            self._open()
        except (EnvironmentFault, sqlite3.Error) as again:
            return StorageFailed(f"{fault}; opening it again failed too: {again}")
        self._reopened()
        return StorageFailed(f"{fault}; nothing of this was acknowledged, send it again")

    def _roll_back(self) -> None:
        assert self._connection is not None
        if self._connection.in_transaction:  # SQLite may have rolled back by itself
            self._connection.execute("ROLLBACK")
        if self._identities.changed:
            self._identities = Identities(self._connection)


def _retention(job: Prune) -> Iterator[tuple[str, Callable[[Group], int]]]:
    """The steps of a Prune by the name of what they touch; each tells how many events went."""
    for stream in Stream:
        yield stream, partial(Group.clear, stream=stream, job=job)
    yield "identities", partial(Group.forget, job=job)
    yield "free pages", Group.shrink
