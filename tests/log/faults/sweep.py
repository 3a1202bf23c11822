"""Fails every single call that a life of the log makes to the disk, one life per call, and holds it to its promises.

`python -m tests.log.faults.sweep CALL ENDING ERROR LIVES_MAX` under the tap (see `run_tapped`) prints what it saw, as
JSON. ERROR may be EIO, ENOSPC, or `ENOSPC-on`: from that call on all fail until the users gave up, then there is room.
"""

import errno
import itertools
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agent.errors import EnvironmentFault, StorageFailed, StorageFull
from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, EventLog, JournalEntry
from agent.settings import LogSettings
from tests.log.disk.disk_tap import MEMORY, Call, Tap
from tests.log.told import JOURNAL, Told
from tests.log.world import SetClock, event, finish, new_ids

__all__ = ["Report", "main"]

FOR_EVER: Final = 1_000_000
STREAMS: Final = (Stream.SALES, Stream.STOCK)


@dataclass
class Report:
    """What was tried, and what was found."""

    lives: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    """What the callers got, by the error's name."""
    unnoticed: int = 0
    """Lives whose fault no caller got."""
    problems: list[str] = field(default_factory=list)


class Life:
    """One short life, in which each step may fail; what its users were told is gathered as it goes."""

    def __init__(self, folder: Path) -> None:
        self.told = Told()
        self.refused: Counter[str] = Counter()
        self._folder = folder
        self._clock = SetClock()
        self._new_id = new_ids(5)
        self._log: EventLog | None = None

    def run(self) -> None:
        """Open, append, move a cursor, clear away, begin an epoch, close, open again."""
        for part in range(2):
            self._try(self._open)
            for number in range(3):
                self._try(lambda name=f"{part}-{number}": self._append(name))  # type: ignore[misc]  # its default is a str
            self._try(self._advance)
            self._try(self._prune)
            self._try(self._start_epoch)
            self._try(lambda name=f"{part}-last": self._append(name))  # type: ignore[misc]  # as above
            if self._log:
                self._log.close_now()
                self._log = None

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except EnvironmentFault as fault:
            self.refused[type(fault).__name__] += 1

    def _open(self) -> None:
        self._log = EventLog.open_inline(self._folder, LogSettings(), clock=self._clock, new_id=self._new_id)
        connection = self._log._store._connection
        assert connection is not None
        connection.execute("PRAGMA wal_autocheckpoint = 12")
        self.told.epochs.append(self._log.epoch)

    def _append(self, name: str) -> None:
        if self._log is None:
            self._open()
        assert self._log is not None
        call = [(str(stream), f"{name}-{at}") for at, stream in enumerate(STREAMS * 2)]
        self.told.sent[name] = call
        self.told.entries[name] = len(self.told.sent)
        also = [JournalEntry(JOURNAL, self.told.entries[name], name.encode())]
        answers = self._log.append_now([event(event_id, stream=Stream(stream)) for stream, event_id in call], also)
        self.told.answered[name] = [
            (one.stream, self._log.epoch_number(one.epoch) or 0, one.sequence, one.id) for one in answers
        ]

    def _advance(self) -> None:
        if self._log:
            for stream in STREAMS:
                place = self._log.head(stream)
                self.told.move(stream, place)
                finish(self._log.advance(CLOUD, stream, place))
                self.told.moved(stream, place)
                finish(self._log.advance(DAY_CLOSE, stream, place))

    def _prune(self) -> None:
        if self._log:
            self._clock.move(days=4)
            self.told.may_go = {stream: self._log.cursor(CLOUD, stream) for stream in STREAMS}
            finish(self._log.prune())

    def _start_epoch(self) -> None:
        if self._log:
            self.told.epochs.append(finish(self._log.start_epoch("restored")))


def main() -> None:
    """One sweep."""
    call, ending, error_name, lives_max = Call(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    name, _, on = error_name.partition("-")
    expected = StorageFull if name == "ENOSPC" else StorageFailed
    tap, report, refused = Tap(), Report(), Counter[str]()
    with TemporaryDirectory(dir=MEMORY) as scratch:
        folder = Path(scratch) / "log"
        for start in itertools.count(1):
            shutil.rmtree(folder, ignore_errors=True)
            life = Life(folder)
            folder.mkdir()
            with tap.watching(folder):
                tap.fail(call, ending, start=start, error=getattr(errno, name), count=FOR_EVER if on else 1)
                life.run()
                hit = tap.seen >= start
            if not hit or start > lives_max:
                break
            report.lives += 1
            report.unnoticed += not life.refused
            refused += life.refused
            problems = life.told.broken_promises(folder)
            if life.refused.keys() - {expected.__name__}:
                problems.append(f"the callers got {dict(life.refused)}")
            report.problems += [f"{call.name} {start} of {ending}: {problem}" for problem in problems]
    report.refusals = dict(refused)
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
