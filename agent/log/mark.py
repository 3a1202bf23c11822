"""Remembers which files the log was last opened with, and whether it was closed: SQLite does not.

SQLite takes a -wal for a file's own because of its name, and a missing one for an empty one. The mark knows the files
by their inodes and how the last opening ended, so that a -wal of another file is refused, and one that went missing is
noticed. Of a folder that was copied as a whole it says nothing: there the mark itself is another file.
"""

import json
import os
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final

from agent.errors import LogUnreadable, StorageFailed
from agent.log.schema import shm_of, wal_of
from agent.private_file import give_to_owner, sync_folder

__all__ = ["MARK", "Mark", "Verdict"]

MARK: Final = "opened.json"
OPENING, OPENED, CLOSED = "opening", "opened", "closed"
MARK_BYTES: Final = 160
_KEYS: Final = ("state", "mark", "file", "wal")


class Verdict(Enum):
    """What the mark says about the files that are there now."""

    AS_LEFT = "as left"
    REPLACED = "replaced"
    """Another file is in its place: a copy put there by hand."""
    SHORTENED = "shortened"
    """The -wal of an agent that was killed is gone, and with it maybe the last commits."""


class Mark:
    """The mark beside one log file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._mark = file.with_name(MARK)

    def judge(self) -> Verdict:
        """Look at the files before SQLite does.

        Raises:
            LogUnreadable: the -wal that is there belongs to another file.
            StorageFailed: one of the files cannot be written by this process.
        """
        _check_access(self._file)
        wal_bytes = _size(wal_of(self._file))
        if wal_bytes and not _size(self._file):
            raise LogUnreadable(
                f"{wal_of(self._file)} holds {wal_bytes:,} bytes, but {self._file} is missing: put that back, or move "
                "the -wal away too, to start a new log, and keep it"
            )
        left = self._read()
        same_file = bool(left) and left["file"] == _inode(self._file)
        nothing_was_there = bool(left) and left["state"] == OPENING and not left["file"]  # what is there is its own
        if not left or nothing_was_there or (same_file and left["wal"] == _inode(wal_of(self._file))):
            return Verdict.AS_LEFT
        if not same_file:
            if wal_bytes:
                raise self._foreign_wal("it is that of the file that was here before")
            return Verdict.REPLACED
        if left["state"] == OPENED and not wal_bytes:
            return Verdict.SHORTENED
        if wal_bytes and left["state"] != OPENING:
            raise self._foreign_wal("the agent did not write it")
        return Verdict.AS_LEFT

    def opening(self) -> None:
        """Before SQLite opens the files: what is there changes from here on.

        Raises:
            StorageFailed: the folder cannot be written.
        """
        self._remember(OPENING)

    def opened(self) -> None:
        """They are open. The folder is fsynced for the new -wal's name too: SQLite minds no fault of its own there.

        That comes first: a mark that knows a -wal whose name is lost in a cut of the power would tell of lost events.

        Raises:
            StorageFailed: the folder cannot be written.
        """
        try:
            sync_folder(self._mark.parent)
        except OSError as error:
            raise self._unwritable(error) from error
        self._remember(OPENED, durably=False)

    def closing(self) -> None:
        """Before SQLite closes the files and deletes the -wal: after a cut of the power, maybe all that is known."""
        with suppress(StorageFailed):
            self._remember(OPENING)

    def closed(self) -> None:
        """All connections of ours are closed. Where a reader's keeps the -wal, it is remembered.

        The folder is fsynced first: a -wal that came back after a cut of the power would not be known again.
        """
        with suppress(OSError, StorageFailed):  # the log is closed all the same; the next opening knows less
            sync_folder(self._mark.parent)
            self._remember(OPENED if _size(wal_of(self._file)) else CLOSED)

    def _foreign_wal(self, why: str) -> LogUnreadable:
        return LogUnreadable(
            f"{wal_of(self._file)} does not belong to {self._file}: {why}. With it the log would be damaged: move the "
            "-wal away and keep it; to put a backup in place, use `storeforward restore`"
        )

    def _read(self) -> dict[str, Any]:  # Any: JSON
        """What was written, if this is the very file that it was written to."""
        with suppress(OSError, ValueError):
            left, found = json.loads(self._mark.read_bytes()), self._mark.stat()
            written = found.st_mtime_ns == found.st_ctime_ns  # a copy that kept the time of the last write did not
            if written and isinstance(left, dict) and left.keys() >= set(_KEYS) and left["mark"] == found.st_ino:
                return left
        return {}

    def _remember(self, state: str, *, durably: bool = True) -> None:
        try:
            self._write(state, durably=durably)
        except OSError:  # a full disk keeps nobody from opening the log, but an old mark would mislead
            try:
                self._mark.unlink(missing_ok=True)
            except OSError as error:
                raise self._unwritable(error) from error

    def _write(self, state: str, *, durably: bool) -> None:
        """In place, for that needs no room and one fsync; a torn one says nothing."""
        descriptor = os.open(self._mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            give_to_owner(descriptor, self._mark.parent)
            inodes = (os.fstat(descriptor).st_ino, _inode(self._file), _inode(wal_of(self._file)))
            text = json.dumps(dict(zip(_KEYS, (state, *inodes), strict=True)))
            os.pwrite(descriptor, text.ljust(MARK_BYTES).encode("ascii"), 0)
            if durably:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _unwritable(self, error: OSError) -> StorageFailed:
        return StorageFailed(f"cannot write {self._mark}: {error.strerror}; check the folder's owner and the disk")


def _check_access(file: Path) -> None:
    """SQLite would name the log's file whichever of the three it is."""
    for one in (file, wal_of(file), shm_of(file)):
        if one.exists() and not os.access(one, os.R_OK | os.W_OK):
            raise StorageFailed(
                f"{one} cannot be read and written by this user (uid {os.geteuid()}; it belongs to uid "
                f"{one.stat().st_uid}, mode {one.stat().st_mode & 0o777:o}): check its owner and mode"
            )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _inode(file: Path) -> int:
    """0 when there is no such file."""
    try:
        return file.stat().st_ino
    except FileNotFoundError:
        return 0
