"""The log's one writer, without a thread: groups of jobs in, one durable transaction each, answers out.

State in memory (heads, cursors, epochs) is a few rows per stream and changes only after COMMIT returned. When a
transaction fails, the connection is opened again and the state read from the file: nothing is assumed.
"""

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from agent.errors import EnvironmentFault, LogDamaged, LogUnreadable, StorageFailed, StorageFull, StorageReadOnly
from agent.event_types import SHED_ORDER, Stream
from agent.log.damage.aside import condemn
from agent.log.group import Answer, Group
from agent.log.identities import Identities
from agent.log.jobs import Append, Change, Job, Prune
from agent.log.mark import Mark
from agent.log.room import Ballast, room_bytes
from agent.log.schema import fault_of, open_writer
from agent.log.state import LogState
from agent.log_lines import log_event
from agent.settings import LogSettings

__all__ = ["Answer", "Store"]

_REMEMBER_BOOT: Final = "INSERT INTO boot (id) VALUES (?)"
_FIND_BOOT: Final = "SELECT number FROM boot WHERE id = ?"

PLENTY: Final = 4  # with so many times the reserve, looking how much room there is can wait
COMMITS_PER_LOOK: Final = 16
RESERVE_SHARE: Final = 4  # of a small log, the reserve is a quarter at most
MEBIBYTE: Final = 1_048_576

Done = TypeVar("Done")


class _Rank(IntEnum):
    """Who is served first when there is little room."""

    OWN = 0
    NEVER_SHED = 1
    SHEDDABLE = 2


logger = logging.getLogger(__name__)


class Store:
    """The read-write side of one events.sqlite.

    Raises:
        LogUnreadable: the file is damaged, newer than this version, or no log.
        StorageFull, StorageFailed: it cannot be written.
    """

    def __init__(self, file: Path, settings: LogSettings, *, boot: str, reopened: Callable[[], None]) -> None:
        self._file = file
        self._size_bytes_max = settings.size_bytes_max
        self._reserve_bytes = min(settings.reserve_bytes, settings.size_bytes_max // RESERVE_SHARE)
        self._mark = Mark(file)
        self._ballast = Ballast(file.with_name("ballast"), settings.ballast_bytes)
        self._boot_id = boot
        self._reopened = reopened
        self._damaged: set[str] = set()
        """What retention leaves alone from now on, because clearing it met damage."""
        self._state: LogState
        self._connection: sqlite3.Connection | None = None
        """None while a fault keeps the file from being opened again; each commit tries."""
        self._commits = 0
        self.room_bytes = 0
        """What may still be written, measured after commits; other threads may read it."""
        self.trouble: EnvironmentFault | None = None
        """Why the last commit failed; None when it did not."""
        self._open()
        self._measure()

    @property
    def state(self) -> LogState:
        """What is durable now. Replaced, never changed, so that other threads may read it."""
        return self._state

    @property
    def boot(self) -> int:
        """The number of this boot in the file."""
        return self._boot

    @property
    def reserve_bytes(self) -> int:
        """The part of the room that is for streams that are never shed."""
        return self._reserve_bytes

    @property
    def damaged(self) -> frozenset[str]:
        """The parts of the file that retention leaves alone because they are damaged: streams, or one of its steps."""
        return frozenset(self._damaged)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection:
            self._mark.closing()
            self._connection.close()
            self._connection = None
            self._mark.closed()

    def commit(self, jobs: Sequence[Job]) -> list[Answer]:
        """Do all jobs in one transaction; the answers are in the jobs' order and true once this returns.

        A job the caller got wrong (an id conflict) is answered with its error and leaves the others alone. Where only
        the reserve is left, appends that hold nothing but events of sheddable streams are refused. When the disk is
        full all the same, the ballast goes, and jobs are tried class by class: what the agent itself needs, then
        streams that are never shed, then the others. Any other storage fault fails them all. Retention comes last,
        in transactions of its own.
        """
        changes = iter(self._commit_what_has_room([job for job in jobs if not isinstance(job, Prune)]))
        answers = [self._prune(job) if isinstance(job, Prune) else next(changes) for job in jobs]
        self._commits += 1
        if self.room_bytes < PLENTY * self._reserve_bytes or not self._commits % COMMITS_PER_LOOK:
            self._measure()
        return answers

    def _commit_what_has_room(self, jobs: Sequence[Change]) -> list[Answer]:
        if self.room_bytes < self._reserve_bytes:
            self._measure()  # somebody else may have made room since
        if self.room_bytes >= self._reserve_bytes:
            return self._commit(jobs)
        room, kept = f"{self.room_bytes / MEBIBYTE:.1f} MiB", f"{self._reserve_bytes / MEBIBYTE:.1f} MiB"
        refusal = f"{self._file}: {room} of room are left, and {kept} are kept for sales, stock, agv and audit"
        taken = iter(self._commit([job for job in jobs if _rank(job) < _Rank.SHEDDABLE]))
        return [next(taken) if _rank(job) < _Rank.SHEDDABLE else StorageFull(refusal) for job in jobs]

    def _commit(self, jobs: Sequence[Change]) -> list[Answer]:
        if not jobs:
            return []
        try:
            return self._transact(lambda group: group.do(jobs))
        except sqlite3.DatabaseError as error:
            fault = fault_of(self._file, error)
            if isinstance(fault, LogDamaged):
                return self._once_more(jobs, fault)
            fault = self._recover(fault)
        except EnvironmentFault as unopened:
            fault = unopened
        if isinstance(fault, StorageFull):
            if self._let_ballast_go(max(map(_rank, jobs))):
                return self._commit(jobs)
            if len(jobs) > 1:
                return self._commit_one_by_one(jobs)
        if not isinstance(fault, StorageFull) and _is_read_only(self._file):
            fault = StorageReadOnly(f"{self._file.parent} has become read-only: check the card or disk")
        self.trouble = fault
        return [type(fault)(str(fault)) for _ in jobs]

    def _once_more(self, jobs: Sequence[Change], fault: LogDamaged) -> list[Answer]:
        """Try again on a new connection: memory may have been at fault, not the file. If it was the file, that is it.

        Raises:
            LogDamaged: the file cannot take events; the next opening puts it aside.
        """
        self._recover(fault)
        try:
            return self._transact(lambda group: group.do(jobs))
        except (sqlite3.DatabaseError, EnvironmentFault) as again:
            if isinstance(again, sqlite3.DatabaseError):
                again = fault_of(self._file, again)
            if not isinstance(again, LogDamaged):
                return [StorageFailed(f"{again}; nothing of this was acknowledged, send it again") for _ in jobs]
            condemn(self._file.parent, str(again))
            raise again from fault

    def _commit_one_by_one(self, jobs: Sequence[Change]) -> list[Answer]:
        """On a full disk: class by class, and of the appends only those smaller than one that failed."""
        answers: dict[int, Answer] = {}
        too_many, refusal = 0, ""
        for at in sorted(range(len(jobs)), key=lambda at: _rank(jobs[at])):
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
        self.trouble = None
        return done

    def _let_ballast_go(self, rank: "_Rank") -> bool:
        """Make room on the disk, where it is the disk that is full and there is ballast left for these jobs."""
        if rank is _Rank.SHEDDABLE or not self._ballast.let_go(half=rank is not _Rank.OWN):
            return False
        log_event(logger, logging.WARNING, "log.ballast", "the disk is full: the log gives up its ballast")
        return True

    def _measure(self) -> None:
        """Look how much room there is; a file that cannot be asked has none."""
        try:
            if self._connection:
                self.room_bytes = room_bytes(self._connection, self._file, self._size_bytes_max)
        except (sqlite3.Error, OSError):
            self.room_bytes = 0

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
        self._ballast.make()
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
        self._mark.opening()
        connection = open_writer(self._file, size_bytes_max=self._size_bytes_max)
        try:
            boot = connection.execute(_FIND_BOOT, (self._boot_id,)).fetchone()
            self._boot = boot[0] if boot else connection.execute(_REMEMBER_BOOT, (self._boot_id,)).lastrowid or 0
            self._identities = Identities(connection)
            self._state = LogState.load(connection)
            self._mark.opened()
        except sqlite3.Error as error:
            connection.close()
            raise fault_of(self._file, error) from error
        except (UnicodeDecodeError, ValueError) as error:  # a stream or a number that nobody wrote
            connection.close()
            raise LogDamaged(f"{self._file} is damaged: {error}") from error
        except EnvironmentFault:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _recover(self, fault: EnvironmentFault) -> EnvironmentFault:
        """After a failed transaction: a full disk needs a rollback only, anything else a new connection."""
        assert self._connection is not None
        try:
            if isinstance(fault, StorageFull):
                self._roll_back()
                return fault
            self._mark.closing()
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


def _is_read_only(file: Path) -> bool:
    """Asked by touching the folder: a file system that the kernel gave up does not always say so in its flags."""
    try:
        os.utime(file.parent)
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _rank(job: Change) -> _Rank:
    """An append with one event of a stream that is never shed is of its class: it is stored whole or not at all."""
    if not isinstance(job, Append) or not job.drafts:
        return _Rank.OWN
    return _Rank.SHEDDABLE if all(draft.stream in SHED_ORDER for draft in job.drafts) else _Rank.NEVER_SHED


def _retention(job: Prune) -> Iterator[tuple[str, Callable[[Group], int]]]:
    """The steps of a Prune by the name of what they touch; each tells how many events went."""
    for stream in Stream:
        yield stream, partial(Group.clear, stream=stream, job=job)
    yield "identities", partial(Group.forget, job=job)
    yield "free pages", Group.shrink
