"""Reading back: limits, epochs, and rows or pages whose bytes went bad."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.log import START, EventLog, Place
from tests.log.damage import overwrite_leaf
from tests.log.world import NOON, event, events, inline_log, raw, read_all

NOON_MS = int(NOON.timestamp() * 1000)


def ids(log: EventLog, after: Place = START, **limits: int) -> list[str]:
    limits = {"events_max": 1_000, "bytes_max": 1_000_000} | limits
    return [stored.id for stored in log.read(Stream.SALES, after, **limits)]


def test_reading_goes_on_after_a_place_and_ends_at_the_head(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        assert ids(log) == []
        log.append_now([*events(3), event("elsewhere", stream=Stream.STOCK)])
        assert ids(log) == ["e-1", "e-2", "e-3"]
        assert ids(log, Place(1, 2)) == ["e-3"]
        assert ids(log, Place(1, 3)) == ids(log, Place(7, 1)) == []


def test_reading_honours_both_limits_and_gives_at_least_one(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(10))
        size = len(read_all(log)[0].body)
        assert len(ids(log, events_max=4)) == 4
        assert len(ids(log, bytes_max=3 * size)) == 3
        assert len(ids(log, bytes_max=3 * size - 1)) == 2
        assert len(ids(log, bytes_max=1)) == 1


async def test_one_answer_never_mixes_epochs(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3, "a"))
        await log.start_epoch("restored")
        log.append_now(events(2, "b"))
        assert ids(log) == ["a-1", "a-2", "a-3"]
        assert ids(log, Place(1, 2)) == ["a-3"]
        assert ids(log, Place(1, 3)) == ids(log, Place(2, 0)) == ["b-1", "b-2"]


def test_id_at_tells_the_event_of_a_place_or_none(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(2))
        assert log.id_at(Stream.SALES, Place(1, 2)) == "e-2"
        assert log.id_at(Stream.SALES, Place(1, 3)) is None
        assert log.id_at(Stream.STOCK, Place(1, 2)) is None


async def test_ids_walks_one_epoch_in_steps(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(1_200, "a"))
        await log.start_epoch("restored")
        log.append_now(events(3, "b"))
        assert list(log.ids(Stream.SALES, Place(1, 10), Place(1, 1_150))) == [
            (at, f"a-{at}", NOON_MS) for at in range(11, 1_151)
        ]
        assert list(log.ids(Stream.SALES, Place(1, 1_200), Place(2, 2))) == [(1, "b-1", NOON_MS), (2, "b-2", NOON_MS)]
        assert list(log.ids(Stream.SALES, Place(2, 3), Place(2, 3))) == []


def test_first_recorded_is_of_the_next_event(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(1))
        assert log.first_recorded_ms(Stream.SALES, START) == int(NOON.timestamp() * 1000)
        assert log.first_recorded_ms(Stream.SALES, Place(1, 1)) is None


# --- damage ------------------------------------------------------------------------------------------------

DAMAGE = {
    "body": "UPDATE event_sales SET body = substr(body, 1, 50) || x'21' || substr(body, 52)",
    "body shorter": "UPDATE event_sales SET body = substr(body, 1, length(body) - 1)",
    "body gone": "UPDATE event_sales SET body = x''",
    "body of another type": "UPDATE event_sales SET body = 7",
    "id": "UPDATE event_sales SET id = 'e-7'",
    "id not UTF-8": "UPDATE event_sales SET id = CAST(x'ff2d32' AS TEXT)",
    "checksum": "UPDATE event_sales SET crc = crc + 1",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_row_is_never_handed_out_and_counted_once_and_its_neighbours_are(tmp_path: Path, damage: str) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(4))
        with raw(log) as connection:
            connection.execute(f"{damage} WHERE place = ?", (Place(1, 2).key,))
        for _ in range(2):
            assert ids(log) == ["e-1", "e-3", "e-4"]
        assert log.damaged_events == 1


def test_a_row_that_moved_to_another_place_is_damaged(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(2))
        with raw(log) as connection:
            connection.execute("UPDATE event_sales SET place = ? WHERE place = ?", (Place(1, 9).key, Place(1, 2).key))
        assert ids(log) == ["e-1"]


def test_a_long_run_of_damaged_rows_does_not_hide_what_follows(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(30))
        with raw(log) as connection:
            connection.execute("UPDATE event_sales SET crc = 0 WHERE place <= ?", (Place(1, 25).key,))
        assert ids(log, events_max=4)[0] == "e-26"
        assert log.damaged_events == 25


def test_a_damaged_page_is_told_and_what_stands_before_it_is_handed_out(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(200))
    overwrite_leaf(tmp_path / "events.sqlite", b'"e-100"')
    with inline_log(tmp_path) as log:
        before = ids(log)
        assert 80 < len(before) < 100
        assert before == [f"e-{at}" for at in range(1, len(before) + 1)]
        before += ids(log, Place(1, len(before)))
        with pytest.raises(LogUnreadable, match=r"events\.sqlite is damaged"):
            log.read(Stream.SALES, Place(1, len(before)), events_max=10, bytes_max=100_000)
        assert log.append_now([event("more")])[0].sequence == 201


@pytest.mark.parametrize(
    "ask",
    [
        lambda log: log.id_at(Stream.SALES, Place(1, 100)),
        lambda log: list(log.ids(Stream.SALES, START, Place(1, 200))),
        lambda log: log.first_recorded_ms(Stream.SALES, Place(1, 99)),
    ],
    ids=["id_at", "ids", "first_recorded_ms"],
)
def test_every_way_of_reading_tells_a_damaged_page(tmp_path: Path, ask: Callable[[EventLog], object]) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(200))
    overwrite_leaf(tmp_path / "events.sqlite", b'"e-100"')
    with inline_log(tmp_path) as log, pytest.raises(LogUnreadable):
        ask(log)
