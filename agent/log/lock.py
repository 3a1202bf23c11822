"""One agent per store: an advisory lock beside the log, with the owner's process id in it."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from agent.errors import StorageFailed, StoreInUse
from agent.private_file import make_folder

__all__ = ["StoreLock"]

PID_CHARS: Final = 19


class StoreLock:
    """Held from `take` to `release`; the kernel lets go of it when the process dies, however it dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Make `folder` if need be and lock it, or say who has it.

        Raises:
            StoreInUse: with the process id of the owner.
            StorageFailed: when the lock file cannot be made.
        """
        file = folder / "lock"
        try:
            make_folder(folder)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StorageFailed(f"cannot write {file}: {error.strerror}; check the folder's owner") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreInUse(str(folder), int(owner) if owner.isdigit() else None) from None
        except OSError as error:
            os.close(descriptor)
            raise StorageFailed(f"cannot lock {file}: {error.strerror}; use a local disk") from error
        with suppress(OSError):  # whose it is is a courtesy: a full disk must not keep the log from opening
            os.ftruncate(descriptor, os.pwrite(descriptor, f"{os.getpid():<{PID_CHARS}}\n".encode("ascii"), 0))
        return cls(descriptor)

    def fileno(self) -> int:
        """The descriptor whose copy in a child process keeps the lock until that ends too."""
        return self._descriptor

    def release(self) -> None:
        os.close(self._descriptor)
