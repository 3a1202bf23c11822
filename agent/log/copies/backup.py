"""Copies a log's file, also while the agent writes it: one moment of it, put in place whole or not at all.

The copy goes page by page over a read-only connection, whether the pages are sound or not: `check` tells that. It is
one file that needs no -wal beside it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault, StorageFailed, StorageFull
from agent.log.schema import PAGE_BYTES, fault_of, open_reader, wal_of
from agent.private_file import give_to_owner, sync_folder

__all__ = ["Progress", "copy_log"]

PAGES_PER_STEP: Final = 1_024
WAL_BYTES_MAX: Final = 512 * 1_048_576
"""How far the writer's log may grow while one moment of the file is held for the copy."""

Progress = Callable[[int, int], None]
"""Hears how much is done, and how much there is in all."""


def copy_log(source: Path, target: Path, *, progress: Progress = lambda _done, _total: None) -> int:
    """Copy `source` to `target`, durably and closed to others; a file there is replaced. Returns the bytes.

    Raises:
        LogUnreadable: `source` is so damaged that its size cannot be known, or it is no log.
        StorageFull: the disk of `target` has no room for it.
        StorageFailed: one of the two cannot be used, or the copy is too slow for what the agent writes.
    """
    try:
        with _draft(target) as (draft, descriptor):
            _check_room(source, target)
            _copy_pages(source, draft, target, progress)
            os.fsync(descriptor)
            copied = os.fstat(descriptor).st_size
            draft.replace(target)
            sync_folder(target.parent)
    except OSError as error:
        raise StorageFailed(f"cannot write {target}: {error.strerror}; check the folder and its owner") from error
    return copied


@contextmanager
def _draft(target: Path) -> Iterator[tuple[Path, int]]:
    """An empty file beside the target, gone afterwards. One name, so that those that were killed leave one at most."""
    draft = target.with_name(f".{target.name}.draft")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageFailed(f"{draft} is being written: wait until the other backup is done") from None
        os.ftruncate(descriptor, 0)
        os.fchmod(descriptor, 0o600)
        give_to_owner(descriptor, target.parent)
        try:
            yield draft, descriptor
        except BaseException:
            with suppress(FileNotFoundError):
                draft.unlink()
            raise
    finally:
        os.close(descriptor)


def _check_room(source: Path, target: Path) -> None:
    needed = sum(file.stat().st_size for file in (source, wal_of(source)) if file.exists())
    disk = os.statvfs(target.parent)
    if disk.f_bavail * disk.f_frsize < needed:
        raise StorageFull(
            f"{target}: {needed:,} bytes are needed, its disk has {disk.f_bavail * disk.f_frsize:,}: choose another"
        )


def _copy_pages(source: Path, draft: Path, target: Path, progress: Progress) -> None:
    """Hold one moment of the source and copy it; the draft's own writes need no order, it is not in place yet."""

    def step(_status: int, remaining: int, total: int) -> None:
        progress((total - remaining) * PAGE_BYTES, total * PAGE_BYTES)
        with suppress(FileNotFoundError):
            if wal_of(source).stat().st_size > WAL_BYTES_MAX:
                raise StorageFailed(
                    f"the agent wrote {WAL_BYTES_MAX // 1_048_576} MiB while {source} was copied to {target}: "
                    "choose a faster disk, or stop the agent first"
                )

    with _connected(source, lambda: open_reader(source)) as reader, closing(_open_draft(draft)) as writer:
        try:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise fault_of(source, error) from error
        try:
            reader.backup(writer, pages=PAGES_PER_STEP, progress=step)
            writer.execute("PRAGMA journal_mode = DELETE")  # one file, that a reader needs not write beside
        except sqlite3.Error as error:
            raise _copy_fault(source, target, error) from error


@contextmanager
def _connected(file: Path, connect: Callable[[], sqlite3.Connection]) -> Iterator[sqlite3.Connection]:
    try:
        connection = connect()
    except sqlite3.Error as error:
        raise fault_of(file, error) from error
    with closing(connection):
        yield connection


def _open_draft(draft: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(draft, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _copy_fault(source: Path, target: Path, error: sqlite3.Error) -> EnvironmentFault:
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_FULL":
            return StorageFull(f"{target}: its disk is full; nothing was kept there")
        case "SQLITE_CORRUPT" | "SQLITE_NOTADB":
            return fault_of(source, error)
        case _:
            return StorageFailed(f"cannot copy {source} to {target}: {error}; check both disks")
