"""A random life of a log, written into a trace together with what its users were told at each moment."""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, EventLog, JournalEntry, Place
from agent.settings import LogSettings
from tests.log.disk.disk_tap import DIE, Call, Tap
from tests.log.told import JOURNAL
from tests.log.world import SetClock, event, finish, new_ids

__all__ = ["History"]

STREAMS: Final = (Stream.SALES, Stream.STOCK, Stream.SENSOR)
PAGES_BETWEEN_CHECKPOINTS: Final = 24
"""Few, so that a short life has checkpoints and restarts of the write-ahead log."""

_SETTINGS: Final = LogSettings(ballast_bytes=65_536)
"""Every state of the disk has it."""


class _Call(NamedTuple):
    """What one append stores."""

    name: str
    events: list[tuple[Stream, str]]
    entry: int
    """The number of its journal entry; 0: it has none."""


class History:
    """Lives on `folder`, watched by `tap`, step by step; the same seed makes the same life."""

    def __init__(self, folder: Path, tap: Tap, seed: int) -> None:
        self._folder = folder
        self._tap = tap
        self._random = Random(seed)
        self._clock = SetClock()
        self._new_id = new_ids(seed)
        self._calls = 0
        self._log = self._open()

    def short(self) -> None:
        """Little enough that every subset of what a cut can take is tried."""
        for _ in range(3):
            self.append(events=1)
        self.advance()
        self.append(events=2)
        self._log.close_now()
        self._log = self._open()
        self.append(events=1)
        self.be_killed()

    def long(self, steps: int) -> None:
        """Everything a log does, in random order."""
        kinds: list[Callable[[], Any]] = [  # Any: what they return is nobody's business
            *[self.append] * 12, *[self.advance] * 3, self.prune, self.open_again, self.start_epoch,
            self.be_killed,
        ]  # fmt: skip
        for _ in range(steps):
            self._random.choice(kinds)()

    def append(self, events: int | None = None) -> None:
        self._send(self._next_call(events or self._random.choice((1, 1, 2, 7, 40))))

    def be_killed(self) -> None:
        """An agent dies while it waits for the disk; the next one finds its writes in the page cache, unsynced."""
        call = self._next_call(2)
        self._log.close_now()
        if not (child := os.fork()):
            self._log = self._open()
            self.append(events=1)
            self._tap.fail(Call.SYNC, "-wal", start=1, error=DIE)
            self._send(call)
            os._exit(1)  # not reached
        assert os.waitpid(child, 0)[1] == 0
        self._calls += 1  # the child made one of its own
        self._tap.forget()
        self._log = self._open()
        self._send(call)

    def _next_call(self, size: int) -> _Call:
        self._calls += 1
        name = f"call-{self._calls}"
        entry = self._calls if self._random.random() < 0.3 else 0
        call = _Call(name, [(self._random.choice(STREAMS), f"{name}-{at}") for at in range(size)], entry)
        self._tap.mark(sent=name, events=call.events, entry=entry)
        return call

    def _send(self, call: _Call) -> None:
        also = [JournalEntry(JOURNAL, call.entry, call.name.encode())] if call.entry else []
        answers = self._log.append_now([event(event_id, stream=stream) for stream, event_id in call.events], also)
        stored = [(one.stream, self._log.epoch_number(one.epoch), one.sequence, one.id) for one in answers]
        self._tap.mark(answered=call.name, events=stored)

    def advance(self) -> None:
        stream = self._random.choice(STREAMS)
        head = self._log.head(stream)
        place = Place(head.epoch, self._random.randint(0, head.sequence)) if head.sequence else head
        self._tap.mark(moving=stream, to=place)
        finish(self._log.advance(CLOUD, stream, place))
        self._tap.mark(moved=stream, to=place)

    def prune(self) -> None:
        """Everything becomes old; what the cloud has passed may go."""
        self._clock.move(days=4)
        for stream in STREAMS:
            finish(self._log.advance(DAY_CLOSE, stream, self._log.head(stream)))
        self._tap.mark(pruning={stream: self._log.cursor(CLOUD, stream) for stream in STREAMS})
        finish(self._log.prune())

    def start_epoch(self) -> None:
        self._tap.mark(epoch=finish(self._log.start_epoch("restored")))

    def open_again(self) -> None:
        self._log.close_now()
        self._log = self._open()

    def end(self) -> None:
        self._log.close_now()

    def _open(self) -> EventLog:
        log = EventLog.open_inline(self._folder, _SETTINGS, clock=self._clock, new_id=self._new_id)
        connection = log._store._connection
        assert connection is not None
        connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BETWEEN_CHECKPOINTS}")
        self._tap.mark(epoch=log.epoch)
        return log
