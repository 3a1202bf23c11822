"""Opens a log's file for writing, whatever state its folder was left in, and says why an epoch begins with that.

A file of the version before is brought up to date. A damaged one is put aside, whole, where the salvage finds it. One
that is not as it was left may have given more sequences than it knows of, so a new epoch begins.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from agent.clock import boot_id
from agent.errors import LogDamaged
from agent.log.copies.replacement import finish
from agent.log.damage.aside import Progress, condemned, old_logs, put_aside
from agent.log.damage.old_facts import OldFacts
from agent.log.jobs import EpochReason, JournalEntry
from agent.log.lock import StoreLock
from agent.log.mark import Mark, Verdict
from agent.log.store import Store
from agent.log.upgrade import bring_up_to_date
from agent.log_lines import log_event
from agent.settings import LogSettings

__all__ = ["Opening"]

logger = logging.getLogger(__name__)


class Opening(NamedTuple):
    """An open store, and how its file was found; `put_aside` says of a new one why the file before it was put aside."""

    file: Path
    store: Store
    put_aside: str
    verdict: Verdict

    @classmethod
    def of(
        cls, file: Path, settings: LogSettings, lock: StoreLock, *, at_ms: int, reopened: Callable[[], None]
    ) -> "Opening":
        """Open `file`, whose folder is locked.

        Raises:
            LogUnreadable: it is newer than this version, or no log; or its -wal belongs to another file.
            StorageFull, StorageFailed: the folder cannot be written.
        """

        def store() -> Store:
            return Store(file, settings, boot=boot_id(), reopened=reopened)

        finish(file.parent)
        reason = condemned(file.parent)
        if not reason:
            verdict = Mark(file).judge()
            try:
                bring_up_to_date(file, lock)
                opened = store()
            except LogDamaged as damaged:
                reason = str(damaged)
            else:
                return cls(file, opened, "" if opened.state.epochs else _put_aside_before(file.parent), verdict)
        put_aside(file.parent, reason, at_ms)
        return cls(file, store(), reason, Verdict.AS_LEFT)

    def epoch_reason(self) -> EpochReason | None:
        """Why this opening begins an epoch, if it does."""
        created = not self.store.state.epochs
        reason: EpochReason | None = ("damaged" if self.put_aside else "created") if created else None
        match self.verdict:
            case Verdict.AS_LEFT:
                return reason
            case Verdict.SHORTENED:
                reason, why = "damaged", "its -wal is gone, and with it maybe the last events"
            case Verdict.REPLACED:
                reason, why = reason or "restored", "its file is gone" if created else "another file is in its place"
        message = f"the log is not as it was left: {why}"
        log_event(logger, logging.ERROR, "log.not_as_left", message, file=str(self.file))
        return reason

    def old_journal(self) -> Sequence[JournalEntry]:
        """The journals of a log that was put aside: what vehicles were told must not be forgotten with it."""
        if not self.put_aside:
            return ()
        facts = OldFacts.read(old_logs(self.file.parent)[-1].file)
        if not facts.journal_whole:
            message = "the journals of the damaged log cannot be read whole: what vehicles were doing is unknown"
            log_event(logger, logging.ERROR, "log.journal_lost", message)
            return ()
        return facts.journal


def _put_aside_before(folder: Path) -> str:
    """Why a log was put aside by an opening that was killed before the new one had its first epoch."""
    return next((old.reason for old in reversed(old_logs(folder)) if old.progress is Progress.PENDING), "")
