"""The log against a short model of what it promises, over random lives: Hypothesis finds the shortest broken one."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from copy import deepcopy
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agent.errors import IdConflict, StorageFull
from agent.event_types import SHED_ORDER, Stream
from agent.events import EventDecoder, Origin
from agent.log import CLOUD, START, Appended, EventLog
from agent.log.copies.backup import copy_log
from agent.log.copies.restore import Restoration
from agent.log.schema import PAGE_BYTES
from agent.producers import AGENT_PRODUCER
from agent.settings import LogSettings
from agent.topics import DeviceName
from agent.upkeep.room_keeper import BEGINS_AT_RESERVE, RoomKeeper
from tests.log.disk.disk_tap import MEMORY  # this is about logic; other tests are about the disk
from tests.log.model import CONSUMERS, DEDUPE_DAYS, REPLAY_HOURS, STREAMS, Model, Said
from tests.log.remains import Remains
from tests.log.world import SetClock, event, finish, new_ids, raw, read_all

SAID = st.tuples(
    st.sampled_from([Stream.SALES, Stream.STOCK, Stream.SENSOR]),
    st.sampled_from(["till-1", "till-2"]),
    st.sampled_from("abcdef"),
    st.sampled_from("xxxy"),
)
CALL = st.lists(SAID, max_size=5)
EPOCHS_MAX = 6
LAST = 1_000
MANY = 40
PLENTY = LogSettings().size_bytes_max
COMMITS_OF_RETENTION = len(Stream) + 2
PAGES_OF_A_CALL = 20
"""More than any call here needs: with so much room below the size limit, nobody may hear that the log is full."""


class LogLives(RuleBasedStateMachine):
    """Both take every step; after each, all that the log tells is what the model says."""

    def __init__(self) -> None:
        super().__init__()
        self._root = TemporaryDirectory(dir=MEMORY)
        self.folder = Path(self._root.name) / "log"
        self.clock = SetClock()
        self.clock.now = self.clock.now.replace(hour=0)
        self.started = self.clock.now
        self.new_id = new_ids()
        self.model = Model()
        self.backup: Model | None = None
        self.epochs = 1
        self.given: dict[tuple[Stream, str, int], str] = {}
        """Which event got which sequence, ever."""
        self.size_bytes_max = PLENTY
        self.log = self._open()

    def teardown(self) -> None:
        self.log.close_now()
        self._root.cleanup()

    def _open(self) -> EventLog:
        self.model.error, self.model.held_until = self.hour - self.uptime, 0
        kept = LogSettings(replay_hours=REPLAY_HOURS, dedupe_days=DEDUPE_DAYS, ballast_bytes=0)
        kept = kept.model_copy(update={"size_bytes_max": self.size_bytes_max})  # smaller than a shop may have it
        return EventLog.open_inline(self.folder, kept, clock=self.clock, new_id=self.new_id)

    @property
    def hour(self) -> float:
        return (self.clock.now - self.started) / timedelta(hours=1)

    @property
    def uptime(self) -> float:
        return self.clock.went_s / 3_600

    # --- events, cursors, epochs ---------------------------------------------------------------------------

    @rule(call=CALL)
    def append(self, call: list[Said]) -> None:
        with self._unless_full(only_sheddable=bool(call) and all(one[0] in SHED_ORDER for one in call)):
            expected = self.model.append(call, self.hour)
            try:
                answers = self._append(call)
            except IdConflict:
                assert expected is None
                return
            assert expected is not None
            assert answers == [
                Appended(event_id, stream, self.log.epoch_id(epoch), sequence, duplicate)
                for (stream, _, event_id, _), (epoch, sequence, duplicate) in zip(call, expected, strict=True)
            ]
            for one in answers:
                assert self.given.setdefault((one.stream, one.epoch, one.sequence), one.id) == one.id

    @rule(stream=st.sampled_from([Stream.SALES, Stream.SENSOR]), producer=st.sampled_from("xyz"))
    def append_many(self, stream: Stream, producer: str) -> None:
        """So that there is something to give up, and the file grows."""
        self.append([(stream, f"till-{producer}", f"{at}", "x") for at in range(MANY)])

    def _append(self, call: list[Said]) -> list[Appended]:
        return self.log.append_now(
            [event(event_id, stream=stream, producer=producer, say=say) for stream, producer, event_id, say in call]
        )

    @rule(consumer=st.sampled_from(CONSUMERS), stream=st.sampled_from(STREAMS), at=st.integers(0, 9) | st.just(LAST))
    def move_a_cursor(self, consumer: str, stream: Stream, at: int) -> None:
        """Forwards, or back to where a replay begins."""
        places = [START, *(place for place, _ in self.model.events(stream))]
        place = places[min(at, len(places) - 1)]
        with self._unless_full():
            self.model.cursors[consumer, stream] = place
            finish(self.log.advance(consumer, stream, place))

    @precondition(lambda self: self.epochs < EPOCHS_MAX)
    @rule()
    def start_epoch(self) -> None:
        with self._unless_full():
            self.model.epoch += 1
            assert finish(self.log.start_epoch("behind_ledger")) == self.log.epoch_id(self.model.epoch)
            self.epochs += 1

    # --- time and room -------------------------------------------------------------------------------------

    @rule(hours=st.sampled_from([1, 12, 30, 60, 400 * 24]))
    def wait(self, hours: int) -> None:
        self.clock.move(hours=hours)

    @rule(hours=st.sampled_from([-5, 400 * 24, -400 * 24]))
    def set_clock(self, hours: int) -> None:
        self.clock.jump(hours=hours)

    @rule(stream=st.sampled_from(STREAMS), hours=st.sampled_from([12, 30]))
    def a_quiet_day(self, stream: Stream, hours: int) -> None:
        """Everybody comes to the end of a stream, and retention does its work: rare by single moves."""
        for consumer in CONSUMERS:
            self.move_a_cursor(consumer, stream, LAST)
        self.wait(hours)
        self.prune(delivered=False)

    @rule(delivered=st.booleans())
    def prune(self, *, delivered: bool) -> None:
        gone = len(self.model.rows)
        self.model.prune(self.hour, self.uptime, delivered=delivered)
        assert finish(self.log.prune(delivered=delivered)) == gone - len(self.model.rows)

    @initialize(pages=st.sampled_from([None, 12, 40]))
    def begin_small(self, pages: int | None) -> None:
        self.limit_size(pages)

    @rule(pages=st.sampled_from([None, 0, 2, 8, 24]))
    def limit_size(self, pages: int | None) -> None:
        """The next agent may make the file so much larger than it is, and keeps a quarter of all for what must stay."""
        with raw(self.log) as connection:
            (now,) = connection.execute("PRAGMA page_count").fetchone()
        self.size_bytes_max = PLENTY if pages is None else (now + pages) * PAGE_BYTES
        self.open_again()

    @contextmanager
    def _unless_full(self, *, only_sheddable: bool = False) -> Iterator[None]:
        """What finds no room is refused and changes nothing; what has room is not."""
        before, room = deepcopy(self.model), self.log.room_bytes
        must_be_refused = only_sheddable and room < self.log.reserve_bytes
        try:
            yield
            assert not must_be_refused
        except StorageFull:
            assert must_be_refused or room < PAGES_OF_A_CALL * PAGE_BYTES
            self.model = before

    @property
    def _short(self) -> bool:
        return self.log.room_bytes < self.log.reserve_bytes * BEGINS_AT_RESERVE

    @precondition(lambda self: self._short)
    @rule(dies_at=st.none() | st.integers(0, 3))
    def make_room(self, dies_at: int | None) -> None:
        """The keeper gives up what may go, as long as room is short; each time a tombstone tells exactly what."""
        self.prune(delivered=True)  # it begins with that, and finds nothing more then

        def relieve() -> None:
            decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=self.clock.wall, new_id=self.new_id)
            keeper = RoomKeeper(self.log, decoder, self.clock)
            with suppress(StorageFull):
                asyncio.run(keeper.relieve())
                assert not self._short or not any(map(self._sheddable, SHED_ORDER))

        if dies_at is None:
            relieve()
        else:
            self._be_killed_in(relieve, COMMITS_OF_RETENTION + dies_at)
        for stored in read_all(self.log, Stream.AUDIT, self.model.head(Stream.AUDIT)):
            told = json.loads(stored.body)["data"]
            stream, epoch, first, last, events = self.model.shed()
            assert (told["stream"], told["epoch"]) == (stream, self.log.epoch_id(epoch))
            assert (told["first_sequence"], told["last_sequence"], told["count"]) == (first, last, events)
            self.model.append([(Stream.AUDIT, AGENT_PRODUCER, stored.id, "")], self.hour)

    def _sheddable(self, stream: Stream) -> bool:
        return any(
            one.place < self.log.head(stream) for one in read_all(self.log, stream, self.log.cursor(CLOUD, stream))
        )

    # --- ends and beginnings -------------------------------------------------------------------------------

    @rule()
    def open_again(self) -> None:
        self.log.close_now()
        self.log = self._open()

    @rule(call=CALL, at=st.integers(0, 1))
    def be_killed(self, call: list[Said], at: int) -> None:
        """At the end of an append, of which nothing is there then, or right after it."""
        answered = []

        def append() -> None:
            with suppress(IdConflict, StorageFull):
                answered.extend(self._append(call))

        if self._be_killed_in(append, at) and answered:
            self.model.append(call, self.hour)

    def _be_killed_in(self, work: Callable[[], None], at: int) -> bool:
        """Before the COMMIT of that number, or at the end; whether it came to that."""
        commits, remains = count(), list[Remains]()

        def step(statement: str) -> None:
            if statement == "COMMIT" and next(commits) == at:
                remains.append(Remains(self.folder))

        connection = self.log._store._connection
        assert connection is not None
        connection.set_trace_callback(step)
        work()
        left = remains[0] if remains else Remains(self.folder)
        self.log.close_now()
        left.put_back()
        self.log = self._open()
        return not remains

    @rule()
    def back_up(self) -> None:
        copy_log(self.log.file, self.backup_file)
        self.backup = deepcopy(self.model)

    @precondition(lambda self: self.backup and self.epochs < EPOCHS_MAX)
    @rule()
    def restore(self) -> None:
        assert self.backup
        self.log.close_now()
        quiet = {"copying": ignore, "checking": ignore}
        with closing(Restoration.prepare(self.folder, self.backup_file, **quiet)) as restoration:
            epoch = restoration.commit(clock=self.clock, new_id=self.new_id).epoch
        self.model = self.model.restored(deepcopy(self.backup))
        self.epochs += 1
        self.log = self._open()
        assert (self.log.epoch, self.log.epoch_reason) == (epoch, "restored")

    @property
    def backup_file(self) -> Path:
        return Path(self._root.name) / "backup.sqlite"

    # --- what is compared ----------------------------------------------------------------------------------

    @invariant()
    def tells_what_the_model_says(self) -> None:
        assert self.log.epoch == self.log.epoch_id(self.model.epoch)
        for stream in STREAMS:
            stored = self.model.events(stream)
            assert [(one.place, one.id) for one in read_all(self.log, stream)] == stored
            assert self.log.head(stream) == self.model.head(stream)
            assert list(self.log.gaps(stream)) == self.model.declared(stream)
            for consumer in CONSUMERS:
                assert self.log.unread(consumer, stream) == self.model.unread(consumer, stream)
                assert self.log.waiting(consumer, stream) == self.model.waiting(consumer, stream)
                assert self.log.cursor(consumer, stream) == self.model.cursors.get((consumer, stream), START)


def ignore(_done: int, _total: int) -> None:
    pass


TestLogLives = LogLives.TestCase
TestLogLives.settings = settings(max_examples=60, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_many_long_lives() -> None:
    long = settings(max_examples=3_000, stateful_step_count=60, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(LogLives, settings=long)
