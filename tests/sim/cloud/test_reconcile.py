"""Both ends' files side by side: a real log, a real ledger, and every way in which they may differ."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import START, EventLog, Place
from agent.settings import SiteSettings
from agent.topics import DeviceName
from agent.upkeep.day_close import DayCloser
from sim.cloud.ledger import Ledger
from sim.cloud.reconcile import Reconciliation, reconcile
from sim.cloud.schema import LedgerUnusable
from tests.log.world import NOON, SetClock, event, events, inline_log, new_ids
from tests.sim.cloud.publishes import DEVICE, FixedClock, declare, events_topic, sales

DEVICE_NAME = DeviceName(*DEVICE.split("/"))


class Ends:
    """A device's log and the cloud's ledger, and the wire between them."""

    def __init__(self, folder: Path, log: EventLog, ledger: Ledger) -> None:
        self.folder = folder
        self.log = log
        self.ledger = ledger

    def send(self, stream: Stream = Stream.SALES, after: Place = START, *, leave_out: tuple[int, ...] = ()) -> None:
        """Publishes what is in the log after a place, but for some sequences."""
        while stored := self.log.read(stream, after, events_max=100, bytes_max=100_000):
            bodies = [one.body for one in stored if one.place.sequence not in leave_out]
            if bodies:
                self.ledger.accept(events_topic(stream), b"[" + b",".join(bodies) + b"]")
            after = stored[-1].place

    def compare(self) -> Reconciliation:
        return reconcile(self.folder / "ledger.sqlite", self.folder / "log" / "events.sqlite")


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    with inline_log(tmp_path / "log") as log, closing(Ledger.open(tmp_path / "ledger.sqlite", FixedClock())) as ledger:
        yield Ends(tmp_path, log, ledger)


def totals(found: Reconciliation) -> tuple[int, int, int, int, int]:
    return found.events, found.missing, found.duplicates, found.conflicts, found.redelivered


def test_everything_there_is_ok(ends: Ends) -> None:
    ends.log.append_now([*events(250), *events(3, "s", stream=Stream.STOCK)])
    ends.send()
    ends.send(Stream.STOCK)
    found = ends.compare()
    assert totals(found) == (253, 0, 0, 0, 0)
    assert found.ok
    first, second = found.streams
    assert (first.device, first.stream, first.epoch) == (DEVICE, "sales", ends.log.epoch)
    assert (first.log_head, first.log_count, first.ledger_count) == (250, 250, 250)
    assert (first.first_sequence, first.last_sequence) == (1, 250)
    assert (second.stream, second.log_head, second.ledger_count) == ("stock", 3, 3)


def test_what_was_never_sent_is_missing_and_waits(ends: Ends) -> None:
    ends.log.append_now(events(10))
    found = ends.compare()
    assert not found.ok
    assert totals(found) == (0, 10, 0, 0, 0)
    assert [(stream.device, stream.waiting) for stream in found.streams] == [(DEVICE, 10)]


def test_holes_and_the_end_are_missing(ends: Ends) -> None:
    ends.log.append_now(events(10))
    ends.send(leave_out=(3, 4, 9, 10))
    found = ends.compare()
    assert totals(found) == (6, 4, 0, 0, 0)
    assert found.streams[0].waiting == 2
    ends.send()
    assert totals(ends.compare()) == (10, 0, 0, 0, 6)
    assert ends.compare().ok


def test_a_log_that_went_back_in_time_is_told_as_conflicts_and_nothing_is_missing(ends: Ends, tmp_path: Path) -> None:
    ends.log.append_now(events(5))
    ends.log.close_now()
    shutil.copytree(tmp_path / "log", tmp_path / "copy")
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(3, "later"))
        ends.log = log
        ends.send()
    shutil.rmtree(tmp_path / "log")
    (tmp_path / "copy").rename(tmp_path / "log")
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(2, "other"))
        ends.log = log
        assert ends.compare().missing == 2  # other events than the ledger has at 6 and 7
        ends.send()
        found = ends.compare()
        assert totals(found) == (8, 0, 0, 2, 5)
        assert not found.ok
        assert (found.streams[0].log_head, found.streams[0].last_sequence) == (7, 8)


@pytest.mark.parametrize("word", ["shed", "quarantined", "parked"])
def test_what_was_declared_is_a_figure_of_its_own_and_everything_is_accounted_for(word: str, ends: Ends) -> None:
    ends.log.append_now(events(10))
    ends.send(leave_out=(3, 4, 8, 9, 10))
    assert ends.compare().missing == 5
    declare(ends.ledger, 1, word, 3, 4, epoch=ends.log.epoch)
    declare(ends.ledger, 2, word, 7, 10, epoch=ends.log.epoch)  # 7 was on its way
    found = ends.compare()
    assert totals(found) == (7, 0, 0, 0, 0)  # with the two on the audit stream
    assert (found.ok, getattr(found, word)) == (True, 5)
    sales = found.streams[0]
    assert (sales.ledger_count, sales.last_sequence, sales.waiting, getattr(sales, word)) == (5, 10, 0, 5)


def test_what_was_released_is_missing_again_until_it_comes(ends: Ends) -> None:
    ends.log.append_now(events(4))
    ends.send(leave_out=(2, 3))
    declare(ends.ledger, 1, "quarantined", 2, 3, epoch=ends.log.epoch)
    declare(ends.ledger, 2, "released", 3, 3, epoch=ends.log.epoch)
    assert (ends.compare().missing, ends.compare().quarantined, ends.compare().ok) == (1, 1, False)
    ends.send(leave_out=(2,))
    assert (ends.compare().missing, ends.compare().quarantined, ends.compare().ok) == (0, 1, True)


async def test_a_new_epoch_is_a_stream_of_its_own(ends: Ends) -> None:
    ends.log.append_now(events(4))
    await ends.log.start_epoch("behind_ledger")
    ends.log.append_now(events(2, "new"))
    ends.send()
    found = ends.compare()
    assert totals(found) == (6, 0, 0, 0, 0)
    assert [stream.log_head for stream in found.streams] == [4, 2]


def test_an_effect_too_many_is_a_duplicate(ends: Ends) -> None:
    ends.log.append_now(events(4))
    ends.send()
    with closing(sqlite3.connect(ends.folder / "ledger.sqlite", isolation_level=None)) as connection:
        connection.execute("DROP INDEX events_effect")
        connection.execute("UPDATE events SET id = (SELECT id FROM events WHERE sequence = 1) WHERE sequence = 2")
        connection.execute("UPDATE streams SET counted = counted + 2")
    assert ends.compare().duplicates == 3
    assert not ends.compare().ok


def test_another_device_in_the_ledger_is_left_out(ends: Ends) -> None:
    ends.log.append_now(events(2))
    ends.send()
    sales(ends.ledger, [5], device="store-1/box-2")
    ends.ledger.accept(events_topic(device="store-1/box-2"), b"[]")
    assert totals(ends.compare()) == (2, 0, 0, 0, 0)
    assert totals(reconcile(ends.folder / "ledger.sqlite")) == (3, 4, 0, 0, 0)
    assert ends.compare().dead_letters == 1


async def test_day_answers_are_told_and_days_without_one_are_named(ends: Ends) -> None:
    decoder = EventDecoder(Origin(DEVICE_NAME), wall=lambda: NOON, new_id=new_ids(7))
    closer = DayCloser(ends.log, decoder, SiteSettings(), SetClock())
    ends.log.append_now(events(4))
    await closer.close_now()
    ends.send(leave_out=(2,))
    assert ends.compare().unanswered_days == ("2026-03-02",)
    ends.send(Stream.AUDIT)
    found = ends.compare()
    assert found.unanswered_days == ()
    (day,) = (day for day in found.days if day.stream == "sales")
    assert (day.business_day, day.ok, day.count, day.missing) == ("2026-03-02", False, 4, 1)
    ends.send()
    assert ends.compare().ok
    assert all(day.ok for day in ends.compare().days)


def test_a_day_that_was_answered_with_no_is_not_ok(ends: Ends) -> None:
    found = Reconciliation((), (), (), 0)
    assert found.ok
    ends.log.append_now(events(1))
    ends.send()
    with closing(sqlite3.connect(ends.folder / "ledger.sqlite", isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO days VALUES"
            " (?, '2026-03-02', 'sales', ?, 1, 1, 1, 0, 0, 0, '', 1, 1, 0, 0, 0, 0, 'other events', '')",
            (DEVICE, ends.log.epoch),
        )
    assert (ends.compare().missing, ends.compare().ok) == (0, False)


async def test_events_that_retention_took_from_the_log_still_count(ends: Ends) -> None:
    ends.log.append_now(events(6))
    ends.send()
    with closing(sqlite3.connect(ends.folder / "log" / "events.sqlite", isolation_level=None)) as connection:
        connection.execute("DELETE FROM event_sales WHERE place & 255 <= 4")
    found = ends.compare()
    assert (found.streams[0].log_head, found.streams[0].log_count, found.streams[0].missing) == (6, 2, 0)


def test_a_ledger_of_a_killed_twin_can_be_read(ends: Ends, tmp_path: Path) -> None:
    ends.log.append_now([event("only")])
    ends.send()
    for file in ("ledger.sqlite", "ledger.sqlite-wal"):  # as a kill leaves them; the -shm is not on every disk
        shutil.copy(tmp_path / file, tmp_path / f"copy-{file}")
    assert totals(reconcile(tmp_path / "copy-ledger.sqlite")) == (1, 0, 0, 0, 0)


def test_the_json_form_says_the_totals_first(ends: Ends) -> None:
    ends.log.append_now(events(2))
    ends.send()
    document: dict[str, Any] = ends.compare().as_json()
    assert list(document)[:6] == ["ok", "events", "missing", "duplicates", "conflicts", "redelivered"]
    assert document["streams"][0]["ledger_count"] == 2
    assert list(document)[6:10] == ["shed", "quarantined", "parked", "clock_corrected"]
    assert (document["days"], document["unanswered_days"], document["dead_letters"]) == ((), (), 0)


def test_files_that_are_no_ledger_or_log_are_told(ends: Ends, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    (tmp_path / "text").write_text("not a database at all")
    with pytest.raises(LedgerUnusable, match="cannot open"):
        reconcile(tmp_path / "absent.sqlite")
    with pytest.raises(LogUnreadable, match="cannot read"):
        reconcile(ledger, tmp_path / "absent.sqlite")
    with pytest.raises(LogUnreadable, match="cannot read"):
        reconcile(ledger, tmp_path / "text")
    with closing(sqlite3.connect(tmp_path / "empty.sqlite")) as connection:
        connection.execute("CREATE TABLE anything (x)")
    with pytest.raises(LogUnreadable, match="format 0; expected an event log"):
        reconcile(ledger, tmp_path / "empty.sqlite")
