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

ROOM_FOR_BALLAST: Final = 8  # it is made when the disk has so many times its size


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

    On a full disk even deleting and checkpointing need some: without it, a full disk stays full.
    """

    def __init__(self, file: Path, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes

    @property
    def held(self) -> bool:
        """Whether there is room to be had from it."""
        try:
            return self._file.stat().st_size > 0
        except OSError:
            return False

    def make(self) -> None:
        """Take the room, if the disk has plenty; else try again another time. Retention calls it every minute."""
        disk = os.statvfs(self._file.parent)
        if self.held or disk.f_bavail * disk.f_frsize < ROOM_FOR_BALLAST * self._size_bytes:
            return
        with suppress(OSError):  # a disk that refuses now may not later: nothing hangs on it until it is needed
            self._write()

    def let_go(self) -> bool:
        """Give the room back to the disk; False when there was none."""
        if not self.held:
            return False
        try:
            os.truncate(self._file, 0)
        except OSError:
            return False
        return True

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
