"""How much room the log has, and the ballast that makes room when something else fills the disk.

Room is what may still be written before the log's size limit or the disk stops it. A part of it, the reserve, is for
streams that are never shed: once only that is left, other streams get `storage_full`.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Ballast", "room_bytes"]

ROOM_FOR_BALLAST: Final = 2  # it is made when the disk has so many times its size


def room_bytes(connection: sqlite3.Connection, file: Path, size_bytes_max: int) -> int:
    """What still fits: below the size limit, and on the disk; free pages of the file are room on both."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    disk = os.statvfs(file.parent)
    by_limit = size_bytes_max - (pages - free) * page_bytes
    on_disk = free * page_bytes + disk.f_bavail * disk.f_frsize
    return int(min(by_limit, on_disk))


class Ballast:
    """A file that takes room for nothing, so that letting go of it makes room for what matters.

    On a full disk even moving a cursor, deleting and checkpointing need some: without it, a full disk stays full. So
    events get half of it, and the other half is for what makes room.
    """

    def __init__(self, file: Path, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes

    def make(self) -> None:
        """Take the room, if the disk has plenty; else try again another time. Retention calls it every minute."""
        disk = os.statvfs(self._file.parent)
        if self._size() >= self._size_bytes or disk.f_bavail * disk.f_frsize < ROOM_FOR_BALLAST * self._size_bytes:
            return
        with suppress(OSError):  # a disk that refuses now may not later: nothing hangs on it until it is needed
            self._write()

    def let_go(self, *, half: bool = False) -> bool:
        """Give the room, or the half of it that is for events, back to the disk; False when there was none."""
        kept = self._size_bytes // 2 if half else 0
        if self._size() <= kept:
            return False
        try:
            os.truncate(self._file, kept)
        except OSError:
            return False
        return True

    def _size(self) -> int:
        try:
            return self._file.stat().st_size
        except OSError:
            return 0

    def _write(self) -> None:
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, 0)
            raise
        finally:
            os.close(descriptor)
