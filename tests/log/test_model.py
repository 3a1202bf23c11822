"""The log against a short model of what it promises, over random lives: Hypothesis finds the shortest broken one."""

import shutil
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from agent.errors import IdConflict
from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, START, Appended, EventLog, Place, Span
from agent.settings import LogSettings
from tests.log.world import SetClock, event, new_ids, read_all

Answer = TypeVar("Answer")
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # this is about logic; other tests are about the disk
REPLAY_HOURS = 24
DEDUPE_DAYS = 2
STREAMS = (Stream.SALES, Stream.STOCK)
CONSUMERS = (CLOUD, DAY_CLOSE, "learning")

Said = tuple[Stream, str, str, str]
"""An event as a test says it: stream, producer, id and something in its body."""
SAID = st.tuples(
    st.sampled_from(STREAMS), st.sampled_from(["till-1", "till-2"]), st.sampled_from("abcdef"), st.sampled_from("xxxy")
)


@dataclass
class Model:
    """What a log holds, without a file."""

    epoch: int = 1
    rows: dict[tuple[Stream, Place], tuple[str, float]] = field(default_factory=dict)
    """Id and hour of each event that is there."""
    last: dict[tuple[Stream, int], int] = field(default_factory=dict)
    known: list[tuple[int, dict[tuple[str, str], tuple[Said, Place]]]] = field(default_factory=list)
    """A day and what was said on it under each source and id, and where it went; a day that had been is no new one."""
    error: float = 0
    """By how many hours the clock was off when that was looked at last."""
    held_until: float = 0
    cursors: dict[tuple[str, Stream], Place] = field(
        default_factory=lambda: {(consumer, stream): START for consumer in (CLOUD, DAY_CLOSE) for stream in Stream}
    )

    def find(self, producer: str, event_id: str) -> tuple[Said, Place] | None:
        return next((day[producer, event_id] for _, day in self.known if (producer, event_id) in day), None)

    def append(self, call: list[Said], hour: float) -> list[tuple[int, int, bool]] | None:
        """Epoch, sequence and whether it was there already, for each event; None for a conflict."""
        said: dict[tuple[str, str], Said] = {}
        for one in call:
            before = self.find(one[1], one[2])
            if (before[0] if before else said.setdefault(one[1:3], one)) != one:
                return None
        return [self._append_one(one, hour) for one in call]

    def _append_one(self, one: Said, hour: float) -> tuple[int, int, bool]:
        stream, producer, event_id, _ = one
        if before := self.find(producer, event_id):
            return (*before[1], True)
        place = Place(self.epoch, self.last.get((stream, self.epoch), 0) + 1)
        self.last[stream, self.epoch] = place.sequence
        self.rows[stream, place] = (event_id, hour)
        if int(hour // 24) not in {day for day, _ in self.known}:
            self.known.append((int(hour // 24), {}))
        self.known[-1][1][producer, event_id] = (one, place)
        return (*place, False)

    def prune(self, hour: float, uptime: float) -> None:
        """After the clock was set, nothing goes before the replay window has gone by: `hour` minus `uptime` tells."""
        if abs(hour - uptime - self.error) > 1:
            self.error, self.held_until = hour - uptime, uptime + REPLAY_HOURS
        if uptime < self.held_until:
            return
        for stream in STREAMS:
            newest = max((place for of, place in self.rows if of is stream), default=START)
            passed = min(place for (_, of), place in self.cursors.items() if of is stream)
            for of, place in list(self.rows):
                old = not hour - REPLAY_HOURS <= self.rows[of, place][1] <= hour
                if of is stream and place <= passed and old and place != newest:
                    del self.rows[of, place]
        days = [day for day, _ in self.known]
        later = [at for at in range(1, len(days)) if days[at - 1] < days[at]]
        if len(later) > DEDUPE_DAYS:
            del self.known[: later[-DEDUPE_DAYS - 1]]

    def events(self, stream: Stream) -> list[tuple[Place, str]]:
        return sorted((place, event_id) for (of, place), (event_id, _) in self.rows.items() if of is stream)

    def unread(self, consumer: str, stream: Stream) -> list[Span]:
        at = self.cursors.get((consumer, stream), START)
        lasts = {place.epoch: place.sequence for place, _ in self.events(stream)}
        spans = [Span(epoch, at.sequence + 1 if epoch == at.epoch else 1, last) for epoch, last in lasts.items()]
        return [span for span in spans if span.epoch >= at.epoch and span.first <= span.last]


class LogLives(RuleBasedStateMachine):
    """Both take every step; after each, all that the log tells is what the model says."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory(dir=MEMORY)
        self.clock = SetClock()
        self.clock.now = self.clock.now.replace(hour=0)
        self.started = self.clock.now
        self.new_id = new_ids()
        self.model = Model()
        self.log = self._open()

    def teardown(self) -> None:
        self.log.close_now()
        self._folder.cleanup()

    def _open(self) -> EventLog:
        self.model.error, self.model.held_until = self.hour - self.uptime, 0
        kept = LogSettings(replay_hours=REPLAY_HOURS, dedupe_days=DEDUPE_DAYS)
        return EventLog.open_inline(Path(self._folder.name), kept, clock=self.clock, new_id=self.new_id)

    @property
    def hour(self) -> float:
        return (self.clock.now - self.started) / timedelta(hours=1)

    @rule(call=st.lists(SAID, max_size=5))
    def append(self, call: list[Said]) -> None:
        drafts = [
            event(event_id, stream=stream, producer=producer, say=say) for stream, producer, event_id, say in call
        ]
        expected = self.model.append(call, self.hour)
        try:
            answers = self.log.append_now(drafts)
        except IdConflict:
            assert expected is None
            return
        assert expected is not None
        assert answers == [
            Appended(event_id, stream, self.log.epoch_id(epoch), sequence, duplicate)
            for (stream, _, event_id, _), (epoch, sequence, duplicate) in zip(call, expected, strict=True)
        ]

    @rule(consumer=st.sampled_from(CONSUMERS), stream=st.sampled_from(STREAMS), at=st.integers(0, 9))
    def move_a_cursor(self, consumer: str, stream: Stream, at: int) -> None:
        """Forwards, or back to where a replay begins."""
        places = [START, *(place for place, _ in self.model.events(stream))]
        place = places[min(at, len(places) - 1)]
        self.model.cursors[consumer, stream] = place
        finish(self.log.advance(consumer, stream, place))

    @rule(stream=st.sampled_from(STREAMS))
    def everybody_passes(self, stream: Stream) -> None:
        """Rare by single moves, and what retention waits for."""
        for consumer in CONSUMERS:
            self.move_a_cursor(consumer, stream, 1_000)

    @precondition(lambda self: self.model.epoch < 4)
    @rule()
    def start_epoch(self) -> None:
        self.model.epoch += 1
        assert finish(self.log.start_epoch("restored")) == self.log.epoch_id(self.model.epoch)

    @property
    def uptime(self) -> float:
        return self.clock.went_s / 3_600

    @rule(hours=st.sampled_from([1, 12, 30, 60, 400 * 24]))
    def wait(self, hours: int) -> None:
        self.clock.move(hours=hours)

    @rule(hours=st.sampled_from([-5, 400 * 24, -400 * 24]))
    def set_clock(self, hours: int) -> None:
        self.clock.jump(hours=hours)

    @rule()
    def prune(self) -> None:
        gone = len(self.model.rows)
        self.model.prune(self.hour, self.uptime)
        assert finish(self.log.prune()) == gone - len(self.model.rows)

    @rule()
    def open_again(self) -> None:
        self.log.close_now()
        self.log = self._open()

    @rule()
    def be_killed(self) -> None:
        """What a SIGKILL leaves: the files as they are, without the shared memory."""
        fresh = TemporaryDirectory(dir=MEMORY)
        for name in ("events.sqlite", "events.sqlite-wal"):
            if (file := Path(self._folder.name) / name).exists():
                shutil.copyfile(file, Path(fresh.name) / name)
        self.log.close_now()
        self._folder.cleanup()
        self._folder = fresh
        self.log = self._open()

    @invariant()
    def tells_what_the_model_says(self) -> None:
        for stream in STREAMS:
            stored = self.model.events(stream)
            assert [(one.place, one.id) for one in read_all(self.log, stream)] == stored
            assert self.log.head(stream) == max((place for place, _ in stored), default=START)
            for consumer in CONSUMERS:
                unread = self.model.unread(consumer, stream)
                assert self.log.unread(consumer, stream) == unread
                assert self.log.waiting(consumer, stream) == sum(span.last - span.first + 1 for span in unread)
                assert self.log.cursor(consumer, stream) == self.model.cursors.get((consumer, stream), START)


def finish(work: Coroutine[Any, Any, Answer]) -> Answer:  # Any: as asyncio has it
    """The result of a coroutine that has nothing to wait for: the inline form commits before it returns."""
    try:
        work.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    raise AssertionError("it waited")


# The next to come: shedding (a rule that gives up a sheddable stream's oldest, and its tombstones in the model), a full
# disk, restore from a backup. Each is a rule here and a few lines of `Model`.

TestLogLives = LogLives.TestCase
TestLogLives.settings = settings(max_examples=40, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_many_long_lives() -> None:
    long = settings(max_examples=3_000, stateful_step_count=60, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(LogLives, settings=long)
