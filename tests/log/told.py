"""What the users of a log were told up to a moment, and whether a log found later keeps to it."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from agent.errors import StoreforwardError
from agent.event_types import Stream
from agent.events import Draft
from agent.log import CLOUD, START, EventLog, JournalEntry, Place
from agent.settings import LogSettings
from tests.log.world import SetClock, event, new_ids, raw

__all__ = ["JOURNAL", "Told", "WrongWords"]

JOURNAL: Final = "calls"
"""Each call with a journal entry stores its own name there."""

At = tuple[str, int, int, str]
"""Stream, number of the epoch, sequence and id."""


class WrongWords(Exception):
    """Whoever was killed, or lost its power, did nothing to the files that anybody should be told of."""

    @classmethod
    def forbid(cls) -> None:
        """In this process, from now on."""

        class Ear(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if "not as it was left" in record.getMessage():
                    raise cls(record.getMessage())

        logging.getLogger().addHandler(Ear())


@dataclass
class Told:
    """Grows mark by mark; `broken_promises` opens a folder and compares."""

    sent: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By the name of a call: stream and id of its events."""
    answered: dict[str, list[At]] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    """The journal entry that a call stores with its events, by its number."""
    cursors: dict[Stream, list[Place]] = field(default_factory=dict)
    """Where the cloud's cursor may be: the place last answered, then those that were asked for since."""
    may_go: dict[Stream, Place] = field(default_factory=dict)
    """Retention was asked to clear up to here."""
    epochs: list[str] = field(default_factory=list)

    def hear(self, mark: bytes) -> None:
        """One fact, as the recorded program wrote it down."""
        match json.loads(mark):
            case {"sent": name, "events": events, "entry": entry}:
                self.sent[name] = [(stream, event_id) for stream, event_id in events]
                if entry:
                    self.entries[name] = entry
            case {"answered": name, "events": events}:
                self.answered[name] = [tuple(one) for one in events]
            case {"moving": stream, "to": place}:
                self.move(Stream(stream), Place(*place))
            case {"moved": stream, "to": place}:
                self.moved(Stream(stream), Place(*place))
            case {"pruning": passed}:
                self.may_go |= {Stream(stream): Place(*place) for stream, place in passed.items()}
            case {"epoch": epoch_id}:
                self.epochs.append(epoch_id)

    @property
    def promises(self) -> str:
        """Other words, other promises."""
        return f"{len(self.answered)} {self.cursors} {self.may_go} {self.epochs}"

    def move(self, stream: Stream, place: Place) -> None:
        """A cursor's move was asked for."""
        self.cursors.setdefault(stream, [START]).append(place)

    def moved(self, stream: Stream, place: Place) -> None:
        """A cursor's move was answered."""
        self.cursors[stream] = [place]

    def broken_promises(self, folder: Path) -> list[str]:
        """What is wrong with the log in `folder`; it is opened, used and closed as an agent would."""
        clock = SetClock()
        try:
            log = EventLog.open_inline(folder, LogSettings(), clock=clock, new_id=new_ids(77))
        except (StoreforwardError, WrongWords) as error:
            return [f"it does not open: {error}"]
        try:
            return [*self._check(log)]
        except StoreforwardError as error:
            return [f"it opens, and then: {error}"]
        finally:
            log.close_now()

    def _check(self, log: EventLog) -> Iterator[str]:
        with raw(log) as connection:
            if (verdict := connection.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
                yield f"integrity check: {verdict[:3]}"
            if connection.execute("PRAGMA auto_vacuum").fetchone() != (2,):
                yield "the file cannot shrink: auto_vacuum is not incremental"
        read = list(_read(log))
        stored = [at for at, _ in read]
        changed = [at for at, body in read if not body.startswith(_draft(at[0], at[3]).opening)]
        if changed:
            yield f"these say something else than what was sent: {changed[:5]}"
        yield from self._check_events(stored)
        yield from _check_order(log, stored)
        yield from self._check_calls(log, {one[3] for one in stored})
        yield from self._check_cursors(log)
        if missing := [epoch for epoch in self.epochs if log.epoch_number(epoch) is None]:
            yield f"epochs are gone: {missing}"
        if log.damaged_events:
            yield f"{log.damaged_events} events are damaged"
        yield from self._send_again(log)

    def _check_events(self, stored: list[At]) -> Iterator[str]:
        there = Counter(one[3] for one in stored)
        if twice := [event_id for event_id, count in there.items() if count > 1]:
            yield f"stored twice: {twice[:5]}"
        found = set(stored)
        promised = {one for call in self.answered.values() for one in call}
        lost = [one for one in promised - found if Place(*one[1:3]) > self.may_go.get(Stream(one[0]), START)]
        if lost:
            yield f"{len(lost)} acknowledged events are lost or changed, the first: {min(lost)}"
        said = {event_id for call in self.sent.values() for _, event_id in call}
        if invented := there.keys() - said:
            yield f"nobody sent these: {sorted(invented)[:5]}"

    def _check_calls(self, log: EventLog, there: set[str]) -> Iterator[str]:
        """All of an unanswered call or none of it, and its journal entry with it."""
        entries = {body.decode() for body in log.journal(JOURNAL)}
        for name, call in self.sent.items():
            if name in self.answered:
                if {one[3] for one in self.answered[name]} != {event_id for _, event_id in call}:
                    yield f"{name} got an answer, but not for its events"
                if name in self.entries and name not in entries:
                    yield f"the journal entry of {name} is lost"
                continue
            found = [event_id in there for _, event_id in call]
            if any(found) != all(found):
                yield f"{name} is there in part"
            elif name in self.entries and any(found) != (name in entries):
                yield f"{name} and its journal entry are not there together"

    def _check_cursors(self, log: EventLog) -> Iterator[str]:
        for stream, places in self.cursors.items():
            if (at := log.cursor(CLOUD, stream)) not in places:
                yield f"the cursor of {stream} is at {at}, expected one of {places}"
            if at > log.head(stream):
                yield f"the cursor of {stream} is ahead of the log"

    def _send_again(self, log: EventLog) -> Iterator[str]:
        """What was not answered is sent again: it counts once, and places go on."""
        before = {one[3]: one[:3] for one in _stored(log)}
        again = {name: call for name, call in self.sent.items() if name not in self.answered}
        answers = [
            one
            for name, call in again.items()
            for one in log.append_now(
                [_draft(*one) for one in call],
                [JournalEntry(JOURNAL, self.entries[name], name.encode())] if name in self.entries else (),
            )
        ]
        for one in answers:
            at = (one.stream, log.epoch_number(one.epoch), one.sequence)
            if one.duplicate != (one.id in before) or (one.duplicate and before[one.id] != at):
                yield f"{one.id} sent again is at {at}, duplicate: {one.duplicate}, before: {before.get(one.id)}"
        stored = _stored(log)
        if len(stored) != len({*before, *(one.id for one in answers)}):
            yield "sent again, it counts twice"
        yield from _check_order(log, stored)


def _read(log: EventLog) -> Iterator[tuple[At, bytes]]:
    """Where each event is that the log hands out, and its body."""
    for stream in Stream:
        after = START
        while part := log.read(stream, after, events_max=1_000, bytes_max=10_000_000):
            yield from (((stream, *one.place, one.id), one.body) for one in part)
            after = part[-1].place


def _stored(log: EventLog) -> list[At]:
    return [at for at, _ in _read(log)]


@lru_cache(maxsize=10_000)
def _draft(stream: str, event_id: str) -> Draft:
    return event(event_id, stream=Stream(stream))


def _check_order(log: EventLog, stored: list[At]) -> Iterator[str]:
    """Within a stream and epoch the sequence has no hole, and ends at the head."""
    for stream in Stream:
        places = [Place(*one[1:3]) for one in stored if one[0] == stream]
        holes = [two for one, two in pairwise(places) if one.epoch == two.epoch and two.sequence != one.sequence + 1]
        if holes:
            yield f"{stream} has holes before {holes[:5]}"
        if (places[-1] if places else START) != log.head(stream):
            yield f"the head of {stream} is {log.head(stream)}, its last event at {places[-1:]}"
