"""What a SIGKILL leaves of a log: its files as every process sees them at that moment, under their own inodes."""

import os
from pathlib import Path
from typing import Final

from agent.log.copies.replacement import FILE
from agent.log.mark import MARK
from agent.log.schema import wal_of

__all__ = ["Remains"]

_KEPT: Final = (FILE, wal_of(Path(FILE)).name, MARK)
"""Shared memory is made again, whatever is in it."""


class Remains:
    """Taken while a log of this process is open; put back once it is closed, as if that had not happened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = folder.with_name(f"{folder.name}.killed")
        self._aside.mkdir()
        self._bodies: dict[str, bytes] = {}
        for name in _KEPT:
            if (folder / name).exists():
                self._bodies[name] = (folder / name).read_bytes()
                os.link(folder / name, self._aside / name)

    def put_back(self) -> None:
        """The mark knows files by their inodes, and that nobody but the agent wrote to it."""
        for name in _KEPT:
            (self._folder / name).unlink(missing_ok=True)
        for name, body in self._bodies.items():
            (self._aside / name).rename(self._folder / name)
            (self._folder / name).write_bytes(body)
        self._aside.rmdir()
