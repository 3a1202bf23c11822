"""A mission's journal in the event log: its entries and the events they mean, stored together and in order.

One append is under way at a time and takes everything that has come together since. What the log does not take now is
tried again, for ever: nothing may be done before it is stored, so whoever waits for `durable` waits as long.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.errors import EnvironmentFault, LogUnreadable
from agent.events import Draft
from agent.fleet.entries import Entry, Snapshot, entry_from_json, entry_to_json
from agent.last_store import store_until_cancelled
from agent.log import EventLog
from agent.log.jobs import Also, JournalEntry, JournalTrim
from agent.log_lines import log_event

__all__ = ["MissionJournal", "Restored", "journal_entry", "journal_name"]

RETRY_S: Final = 1.0
BATCH_ITEMS_MAX: Final = 200
SNAPSHOT_ENTRIES: Final = 200
"""After so many entries a snapshot takes their place."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a journal holds. `boot` is the vehicle's when the last entry was written; 0 before the first link."""

    entries: list[Entry]
    boot: int


def journal_name(vehicle_id: str) -> str:
    """A vehicle's journal in the event log."""
    return f"mission/{vehicle_id}"


def journal_entry(name: str, number: int, boot: int, entry: Entry) -> JournalEntry:
    """A mission's entry as a row."""
    return JournalEntry(name, number, b"%d %d\n" % (number, boot) + entry_to_json(entry))


class MissionJournal:
    """The journal `mission/{vehicle_id}`; `stored` is called in the event loop after each commit."""

    def __init__(self, log: EventLog, vehicle_id: str, stored: Callable[[], None]) -> None:
        self.boot = 0
        """The vehicle's, written beside each entry: a command's fate is known only to the boot it was sent in."""
        self.durable = 0
        """The number of the last entry that is stored."""
        self.problem = ""
        """Why the log does not take entries now."""
        self._log = log
        self._name = journal_name(vehicle_id)
        self._stored = stored
        self._number = 0
        self._since_snapshot = 0
        self._waiting: list[tuple[Sequence[Also], Sequence[Draft]]] = []
        self._work = asyncio.Event()

    def restore(self) -> Restored:
        """What was written before; call it once, first.

        Raises:
            LogUnreadable: a row is damaged, missing or of a newer version, so the others mean nothing.
        """
        entries: list[Entry] = []
        for row in self._log.journal(self._name):
            head, _, body = row.partition(b"\n")
            place = f"{self._log.file}: the journal {self._name} after entry {self._number}"
            try:
                number, self.boot = map(int, head.split())
                entry = entry_from_json(body)
            except ValueError as error:
                raise LogUnreadable(f"{place} was written by another version of this program: {error}") from error
            follows = number == self._number + 1 if entries else isinstance(entry, Snapshot)
            if not follows:
                raise LogUnreadable(f"{place} goes on with entry {number}: what stood between is lost")
            entries.append(entry)
            self._number = number
        self.durable = self._number
        self._since_snapshot = len(entries)
        return Restored(entries, self.boot)

    @property
    def wants_snapshot(self) -> bool:
        """Whether it is time to write one."""
        return self._since_snapshot >= SNAPSHOT_ENTRIES

    def write(self, entries: Sequence[Entry], drafts: Sequence[Draft] = ()) -> int:
        """Hand over what is to be stored together; the answer is what `durable` will reach then."""
        also: list[Also] = []
        for entry in entries:
            self._number += 1
            self._since_snapshot += 1
            also.append(journal_entry(self._name, self._number, self.boot, entry))
            if isinstance(entry, Snapshot):
                also.append(JournalTrim(self._name, self._number))
                self._since_snapshot = 0
        if also or drafts:
            self._waiting.append((also, drafts))
            self._work.set()
        return self._number

    async def run(self) -> None:
        """Stores what is handed over, until cancelled; then what waits still, within 2 s."""
        try:
            await store_until_cancelled(self._work, self._store_all)
        finally:
            if self._waiting:
                text = f"{self._name} ends without its last {len(self._waiting)} entries: {self.problem or 'no time'}"
                log_event(_log, logging.ERROR, "fleet.not_stored", text)

    async def _store_all(self) -> None:
        while self._waiting:
            await self._store(self._waiting[:BATCH_ITEMS_MAX])

    async def _store(self, items: Sequence[tuple[Sequence[Also], Sequence[Draft]]]) -> None:
        also = [each for entries, _ in items for each in entries]
        drafts = [draft for _, some in items for draft in some]
        try:
            await self._log.append(drafts, also)
        except EnvironmentFault as fault:
            self._trouble(str(fault))
            await asyncio.sleep(RETRY_S)
            return
        self.problem = ""
        del self._waiting[: len(items)]
        numbers = [entry.number for entry in also if isinstance(entry, JournalEntry)]
        self.durable = max(numbers, default=self.durable)
        self._stored()

    def _trouble(self, problem: str) -> None:
        if problem != self.problem:
            text = f"{self._name} cannot be written, so its vehicle gets no command: {problem}"
            log_event(_log, logging.ERROR, "fleet.not_stored", text)
        self.problem = problem
