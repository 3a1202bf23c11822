"""A named journal in the log's file: written in one transaction with events, read back whole or not at all."""

from pathlib import Path

import pytest

from agent.errors import IdConflict, LogUnreadable
from agent.log import JournalEntry, JournalTrim
from tests.log.world import event, inline_log, raw


def test_entries_come_back_in_the_order_of_their_numbers_after_a_restart(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([], also=[JournalEntry("agv-1", 10, b"ten"), JournalEntry("agv-2", 1, b"other")])
        log.append_now([], also=[JournalEntry("agv-1", 9, b"nine")])
    with inline_log(tmp_path) as log:
        assert log.journal("agv-1") == [b"nine", b"ten"]
        assert log.journal("agv-2") == [b"other"]
        assert log.journal("agv-3") == []


def test_an_entry_is_stored_with_its_events_or_not_at_all(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([event("a")], also=[JournalEntry("agv-1", 1, b"first")])
        with pytest.raises(IdConflict):
            log.append_now([event("a", say="other")], also=[JournalEntry("agv-1", 2, b"second")])
        assert log.journal("agv-1") == [b"first"]


def test_trimming_forgets_what_is_below_in_one_journal_only(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([], also=[JournalEntry(name, number, b"x") for name in ("a", "b") for number in range(5)])
        log.append_now([], also=[JournalTrim("a", 4)])
        assert (len(log.journal("a")), len(log.journal("b"))) == (1, 5)


def test_a_damaged_entry_makes_the_journal_unreadable_and_says_which(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([], also=[JournalEntry("agv-1", number, b"pick") for number in range(3)])
    with raw(tmp_path / "events.sqlite") as connection:
        connection.execute("UPDATE journal SET body = x'00' WHERE number = 1")
    with inline_log(tmp_path) as log, pytest.raises(LogUnreadable, match="entry 1 of the journal agv-1"):
        log.journal("agv-1")


def test_a_log_of_before_the_journal_gets_one(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([event("a")])
    with raw(tmp_path / "events.sqlite") as connection:
        connection.executescript("DROP TABLE journal; DROP TABLE gap; DROP TABLE quarantine; PRAGMA user_version = 1;")
    with inline_log(tmp_path) as log:
        log.append_now([], also=[JournalEntry("agv-1", 1, b"first")])
        assert log.journal("agv-1") == [b"first"]
