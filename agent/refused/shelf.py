"""The folder of refused bodies: one file each, for its owner only. One writer, the agent; commands read and drop.

Nothing is synced: what a power cut takes is no loss, and a sync would hold up those of the event log.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault
from agent.refused.body import HEAD_BYTES_MAX, RefusedBody

__all__ = ["BODIES_MAX", "RefusedShelf", "ShelfUnusable"]

BODIES_MAX: Final = 200  # 13 MiB of heads
FILE_BYTES_MAX: Final = HEAD_BYTES_MAX + 65_536
_NAME: Final = re.compile(r"([0-9]{8,12})-([0-9]{1,12})\.refused", re.ASCII)
_DRAFT: Final = ".draft"


@dataclass(frozen=True, slots=True, order=True)
class _Name:
    number: int
    at_s: int

    def __str__(self) -> str:
        return f"{self.number:08}-{self.at_s}.refused"


class ShelfUnusable(EnvironmentFault):
    """The folder of refused bodies cannot be read or written; `str()` says why and what to do."""


class RefusedShelf:
    """The bodies under `folder`, which is made when the first one is put there. A file's name says when it is from."""

    def __init__(self, folder: Path, *, disk_free_bytes_min: int = 0) -> None:
        self._folder = folder
        self._disk_free_bytes_min = disk_free_bytes_min
        self._last = 0

    def put(self, body: RefusedBody) -> int:
        """Keep one under the next number.

        Raises:
            ShelfUnusable: it cannot be written, or less than `disk_free_bytes_min` is free on its disk.
        """
        with self._told():
            if shutil.disk_usage(self._folder.parent).free < self._disk_free_bytes_min:
                raise ShelfUnusable("the disk is short")
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._last = max(self._last, *(name.number for name in self._names()), 0) + 1
            draft = self._folder / _DRAFT
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(body.file_content())
            draft.rename(self._folder / str(_Name(self._last, max(0, int(body.at.timestamp())))))
        return self._last

    def bodies(self) -> list[RefusedBody]:
        """What is kept, oldest first; a file that a power cut tore is left out.

        Raises:
            ShelfUnusable: it cannot be read.
        """
        with self._told():
            return [body for name in self._names() if (body := self._read(name))]

    def find(self, number: int) -> RefusedBody | None:
        """One of them by its number.

        Raises:
            ShelfUnusable: it cannot be read.
        """
        with self._told():
            return next((self._read(name) for name in self._names() if name.number == number), None)

    def drop(self, number: int | None) -> int:
        """Forget one, or with None all; how many went.

        Raises:
            ShelfUnusable: it cannot be written.
        """
        return self._forget(lambda name: number in {None, name.number})

    def tidy(self, oldest: datetime, *, bodies_max: int = BODIES_MAX) -> int:
        """Forget those from before a moment, the oldest of too many, and what was left half written; how many went.

        Raises:
            ShelfUnusable: it cannot be written.
        """
        with self._told():
            (self._folder / _DRAFT).unlink(missing_ok=True)
            names = self._names()
        few = {*names[max(0, len(names) - bodies_max) :]}
        return self._forget(lambda name: name not in few or name.at_s < oldest.timestamp())

    def _forget(self, is_chosen: Callable[[_Name], bool]) -> int:
        with self._told():
            gone = [name for name in self._names() if is_chosen(name)]
            for name in gone:
                (self._folder / str(name)).unlink(missing_ok=True)  # somebody else may be faster
        return len(gone)

    def _names(self) -> list[_Name]:
        try:
            found = [_NAME.fullmatch(file.name) for file in self._folder.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(_Name(int(match[1]), int(match[2])) for match in found if match)

    def _read(self, name: _Name) -> RefusedBody | None:
        try:
            with (self._folder / str(name)).open("rb") as file:
                return RefusedBody.of_file(name.number, file.read(FILE_BYTES_MAX))
        except FileNotFoundError:  # dropped meanwhile
            return None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            text = f"{self._folder} is only for its owner: run this as the agent's user, such as with sudo -u"
            raise ShelfUnusable(text) from error
        except OSError as error:
            raise ShelfUnusable(f"cannot use {error.filename or self._folder} ({error.strerror})") from error
