"""A log file looked at from outside, beside its agent and without one."""

import asyncio
from pathlib import Path

import pytest

from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.log import CLOUD, START, Place
from agent.log.reading.look import EVER, LogAbsent, LogLook, LogNotPermitted, SeenEvent, Window
from agent.log.schema import FORMAT
from tests.log.damage import flip_body, overwrite_leaf
from tests.log.world import NOON, SetClock, events, inline_log, raw

FILE = "events.sqlite"


def ids_after(look: LogLook, stream: Stream = Stream.SALES, after: Place = START, window: Window = EVER) -> list[str]:
    found: list[SeenEvent] = []
    while step := look.after(stream, found[-1].place if found else after, look.state.head(stream), window):
        found += step
    return [event.id for event in found]


def newest_ids(look: LogLook, window: Window = EVER) -> list[str]:
    return [event.id for event in look.newest_first(Stream.SALES, look.state.head(Stream.SALES), window)]


def test_it_sees_what_was_appended_while_the_agent_runs(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(2))
        with LogLook(log.file) as look:
            assert ids_after(look) == ["e-1", "e-2"]
            log.append_now(events(1, "late"))
            assert ids_after(look) == ["e-1", "e-2"], "up to the head it knew"
            look.refresh()
            assert ids_after(look) == ["e-1", "e-2", "late-1"]


def test_more_than_one_step_is_read_in_both_directions(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(700))
        log.append_now(events(700, "f"))
    with LogLook(tmp_path / FILE) as look:
        assert len(set(forward := ids_after(look))) == 1_400
        assert newest_ids(look) == forward[::-1]


def test_all_epochs_are_read_and_named(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(2))
        epoch = asyncio.run(log.start_epoch("restored"))
        log.append_now(events(2, "f"))
    with LogLook(tmp_path / FILE) as look:
        assert ids_after(look) == ["e-1", "e-2", "f-1", "f-2"]
        assert look.state.epochs[2] == epoch


def test_a_window_is_of_recorded_time_and_leaves_its_end_out(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        for name in ("a", "b", "c"):
            log.append_now(events(1, name))
            clock.move(minutes=1)
    noon_ms = int(NOON.timestamp() * 1000)
    with LogLook(tmp_path / FILE) as look:
        window = Window(noon_ms + 60_000, noon_ms + 120_000)
        assert ids_after(look, window=window) == newest_ids(look, window) == ["b-1"]


def test_what_the_cloud_has_is_known(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
        asyncio.run(log.advance(CLOUD, Stream.SALES, Place(1, 2)))
    with LogLook(tmp_path / FILE) as look:
        assert look.state.cursor(CLOUD, Stream.SALES) == Place(1, 2)
        assert look.first_recorded_ms(Stream.SALES, Place(1, 2)) == NOON.timestamp() * 1000
        assert look.first_recorded_ms(Stream.SALES, Place(1, 3)) is None


def test_the_version_changes_with_commits_of_others_only(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log, LogLook(log.file) as look:
        before = look.data_version()
        assert look.data_version() == before
        log.append_now(events(1))
        assert look.data_version() != before


def test_a_damaged_event_is_shown_as_such(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
    flip_body(tmp_path / FILE, "e-2")
    with LogLook(tmp_path / FILE) as look:
        found = look.after(Stream.SALES, START, Place(1, 3))
        assert [(event.id, event.intact) for event in found] == [("e-1", True), ("e-2", False), ("e-3", True)]


@pytest.mark.parametrize("column", ["id", "body"])
def test_a_column_of_another_type_is_damage(tmp_path: Path, column: str) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(1))
        with raw(log) as connection:
            connection.execute(f"UPDATE event_sales SET {column} = CAST(7 AS BLOB)")
            connection.execute(f"UPDATE event_sales SET {column} = 7")
        with LogLook(log.file) as look:
            assert [event.intact for event in look.after(Stream.SALES, START, Place(1, 1))] == [False]


def test_behind_a_damaged_page_reading_goes_on_at_the_next_whole_one(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(200))
    overwrite_leaf(tmp_path / FILE, b'"e-100"')
    with LogLook(tmp_path / FILE) as look:
        head = look.state.head(Stream.SALES)
        last = last_before_damage(look, head)
        behind = look.behind_damage(Stream.SALES, last, head)
        assert last.sequence < 100 <= behind.sequence < 115, "no more than a page is lost"
        after = look.after(Stream.SALES, behind, head)
        assert [event.place.sequence for event in after] == list(range(behind.sequence + 1, 201))


def last_before_damage(look: LogLook, upto: Place) -> Place:
    last = START
    try:
        while step := look.after(Stream.SALES, last, upto):
            last = step[-1].place
    except LogUnreadable:
        return last
    raise AssertionError("nothing is damaged")


def test_behind_damage_that_goes_on_to_the_end_there_is_nothing(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(200))
    overwrite_leaf(tmp_path / FILE, b'"e-200"')
    with LogLook(tmp_path / FILE) as look:
        assert look.torn == {Stream.SALES}
        end = look.end(Stream.SALES)
        damaged = next(at for at in range(1, 201) if not look._is_readable(Stream.SALES, Place(1, at).key))
        assert damaged > 180
        assert look.behind_damage(Stream.SALES, Place(1, damaged - 1), end) == end


def test_without_a_log_it_says_so(tmp_path: Path) -> None:
    for file in (tmp_path / FILE, tmp_path / "nowhere" / FILE):
        with pytest.raises(LogAbsent, match=r"events\.sqlite does not exist: .* --data"):
            LogLook(file)


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(LogNotPermitted, match="Is a directory"):
        LogLook(tmp_path / FILE)


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "is no event log"), (b"not SQLite at all, but a text" * 200, "is damaged")]
)
def test_another_file_is_no_log(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(LogUnreadable, match=says):
        LogLook(tmp_path / FILE)


def test_a_file_of_a_newer_version_is_not_read(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log, raw(log) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(LogUnreadable, match=f"has format {FORMAT + 1}"):
        LogLook(tmp_path / FILE)


def test_looking_changes_no_byte_of_the_file(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(5))
    before = (tmp_path / FILE).read_bytes()
    with LogLook(tmp_path / FILE) as look:
        ids_after(look)
    assert (tmp_path / FILE).read_bytes() == before


def test_it_notices_that_another_file_stands_in_its_place(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(1))
    with LogLook(tmp_path / FILE) as look:
        assert not look.is_replaced()
        (tmp_path / FILE).rename(tmp_path / "old.sqlite")
        assert not look.is_replaced(), "nothing stands there yet"
        with inline_log(tmp_path):
            assert look.is_replaced()
