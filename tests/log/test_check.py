"""A check reads every row and says which are damaged; it raises only where there is no log."""

from pathlib import Path

import pytest

from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.log import JournalEntry, Place
from agent.log.copies.check import check_log
from agent.log.schema import FORMAT
from tests.log.damage import overwrite_leaf
from tests.log.world import event, events, inline_log, raw

FILE = "events.sqlite"


def make_log(folder: Path) -> Path:
    with inline_log(folder) as log:
        log.append_now([*events(300, say="y" * 60), event("s", stream=Stream.SENSOR)])
        log.append_now([], also=[JournalEntry("agv-1", 1, b"first")])
    return folder / FILE


def test_a_whole_log_is_counted_by_stream(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    found = check_log(make_log(tmp_path), progress=lambda done, total: heard.append((done, total)))
    assert found.whole
    assert (found.format, found.events, found.quarantined) == (FORMAT, {"sales": 300, "sensor": 1}, 0)
    assert heard[-1] == (301, 301)


def test_damaged_rows_are_named_and_not_counted(tmp_path: Path) -> None:
    file = make_log(tmp_path)
    with raw(file) as connection:
        connection.execute("UPDATE event_sales SET body = x'00' WHERE place & 1023 IN (7, 9)")
        connection.execute("UPDATE event_sales SET id = 5 WHERE place & 1023 = 11")
    found = check_log(file)
    assert not found.whole
    assert found.damaged == [(Stream.SALES, Place(1, at)) for at in (7, 9, 11)]
    assert (found.damaged_events, found.events["sales"], found.structure) == (3, 297, [])


def test_more_damaged_rows_than_anybody_reads_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.log.copies.check.DAMAGED_ROWS_MAX", 10)
    file = make_log(tmp_path)
    with raw(file) as connection:
        connection.execute("UPDATE event_sales SET body = x'00'")
    found = check_log(file)
    assert (len(found.damaged), found.damaged_events, found.events) == (10, 300, {"sensor": 1})


def test_a_destroyed_page_is_told_and_the_other_streams_are_read(tmp_path: Path) -> None:
    file = make_log(tmp_path)
    overwrite_leaf(file, b'"id":"e-200"')
    found = check_log(file)
    assert not found.whole
    assert found.structure
    assert found.events["sensor"] == 1


def test_a_damaged_journal_entry_is_told(tmp_path: Path) -> None:
    file = make_log(tmp_path)
    with raw(file) as connection:
        connection.execute("UPDATE journal SET body = x'00'")
    assert check_log(file).structure == ["entry 1 of the journal agv-1 does not match its checksum"]


def test_what_is_no_log_is_refused_by_name(tmp_path: Path) -> None:
    with raw(tmp_path / "recipes") as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
    with pytest.raises(LogUnreadable, match=r"recipes is no event log"):
        check_log(tmp_path / "recipes")
    (tmp_path / "noise").write_bytes(b"\x55" * 10_000)
    with pytest.raises(LogUnreadable, match=r"noise is damaged"):
        check_log(tmp_path / "noise")
