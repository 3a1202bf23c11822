"""Puts a backup in the place of a stopped agent's log, with a new epoch, so that no sequence is given twice.

The present log may have given sequences that the backup knows nothing of. Therefore the new epoch begins in the
backup's copy before that becomes the log. Its number leaves room below, so that events of the log that was put aside
can be brought back in their own epochs, in order.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

from agent.clock import Clock, boot_id
from agent.errors import LogUnreadable, StorageFailed, StoreforwardError
from agent.log.copies.backup import Progress, copy_log
from agent.log.copies.check import Findings, check_log
from agent.log.copies.holdings import Difference, difference, newest_epoch
from agent.log.copies.replacement import FILE, decide, finish, stage
from agent.log.jobs import StartEpoch
from agent.log.lock import StoreLock
from agent.log.store import Store
from agent.log.upgrade import bring_up_to_date
from agent.private_file import give_to_owner
from agent.settings import MEBIBYTE, LogSettings

__all__ = ["EPOCH_STEP", "Restoration", "Restored"]

EPOCH_STEP: Final = 4_096
"""A restored log's epoch gets the next multiple of this as its number, above those of both logs."""
PROBLEMS_TOLD_MAX: Final = 3
FILE_MODE: Final = 0o640
# The backup fitted on this disk; a smaller limit is the agent's to set.
_SETTINGS: Final = LogSettings(size_bytes_max=1_048_576 * MEBIBYTE, ballast_bytes=0)


class Restored(NamedTuple):
    """The epoch that began, and where the log lies that was there before (None: there was none)."""

    epoch: str
    aside: Path | None


class Restoration:
    """A backup that is checked and ready beside the log, whose lock it holds; nothing has changed before `commit`."""

    def __init__(self, folder: Path, staged: Path, lock: StoreLock, findings: Findings, opened: ExitStack) -> None:
        self.findings: Final = findings
        self.present: Final = (folder / FILE).exists()
        """Whether there is a log whose place the backup takes."""
        self._newest_epoch = newest_epoch(folder / FILE)
        self._folder = folder
        self._staged = staged
        self._lock = lock
        self._opened = opened

    @classmethod
    def prepare(cls, folder: Path, backup: Path, *, copying: Progress, checking: Progress) -> Self:
        """Lock the log, copy `backup` beside it, and look through the copy.

        Raises:
            StoreInUse: an agent runs.
            LogUnreadable: `backup` is no log, damaged beyond single events, or of a newer version.
            StorageFull, StorageFailed: there is no room for it, or the folder cannot be written.
        """
        with ExitStack() as opened:
            lock = StoreLock.take(folder)
            opened.callback(lock.release)
            try:
                give_to_owner(folder / "lock", folder)
                finish(folder)
                staged = stage(folder)
            except OSError as error:
                raise StorageFailed(f"cannot write {folder}: {error.strerror}; check the folder's owner") from error
            opened.callback(shutil.rmtree, staged, ignore_errors=True)
            copy_log(backup, staged / FILE, progress=copying)
            findings = check_log(staged / FILE, progress=checking)
            if findings.structure:
                problems = "; ".join(findings.structure[:PROBLEMS_TOLD_MAX])
                raise LogUnreadable(f"{backup} is damaged: {problems}; nothing was changed, use another backup")
            return cls(folder, staged / FILE, lock, findings, opened.pop_all())

    def difference(self, consumer: str) -> Difference | None:
        """What the present log has that the backup has not; None when that cannot be known."""
        return difference(self._folder / FILE, self._staged, consumer)

    def commit(self, *, clock: Clock, new_id: Callable[[], str]) -> Restored:
        """Make the copy the log, in a new epoch.

        Raises:
            LogUnreadable, StorageFull, StorageFailed: nothing was changed.
        """
        bring_up_to_date(self._staged, self._lock, keep_copy=False)
        now_ms = int(clock.wall().timestamp() * 1000)
        epoch = new_id()
        store = Store(self._staged, _SETTINGS, boot=boot_id(), reopened=lambda: None)
        try:
            newest = max(store.state.epoch, self._newest_epoch)
            number = (newest // EPOCH_STEP + 1) * EPOCH_STEP
            (answer,) = store.commit([StartEpoch(epoch, "restored", now_ms, number)])
        finally:
            store.close()
        if isinstance(answer, StoreforwardError):
            raise answer
        try:
            mode = (self._folder / FILE).stat().st_mode & 0o777 if self.present else FILE_MODE
            self._staged.chmod(mode)
            decide(self._folder, now_ms)
        except OSError as error:
            raise StorageFailed(f"cannot write {self._folder}: {error.strerror}; nothing was changed") from error
        return Restored(epoch, finish(self._folder))

    def close(self) -> None:
        """Let go of the lock; without `commit`, nothing is left of the backup's copy."""
        self._opened.close()
