"""Finding what was recorded within some time, without reading the whole log, whatever the clock did."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.event_types import Stream
from agent.log import Place, Span
from agent.log.reading.look import EVER, Window
from agent.log.reading.recorded import STRETCH, RecordedRun, RecordedSearch
from tests.log.damage import overwrite_leaf
from tests.log.world import NOON, SetClock, events, finish, inline_log, raw

SALES = Stream.SALES
SECOND_MS = 1_000
NOON_MS = int(NOON.timestamp() * 1_000)


class Row(NamedTuple):
    place: Place
    recorded_ms: int
    boot: int
    monotonic_us: int


class Part(NamedTuple):
    """So many events, so far apart, after the clock was set by so much; `boot`: the box starts anew before."""

    number: int
    apart_ms: int
    set_ms: int = 0
    boot: bool = False
    epoch: bool = False


def history(parts: Sequence[Part]) -> list[Row]:
    rows: list[Row] = []
    wall_ms, monotonic_ms, boot, epoch, sequence = NOON_MS, 5_000_000, 1, 1, 0
    for part in parts:
        wall_ms += part.set_ms
        if part.boot:
            boot, monotonic_ms = boot + 1, 20_000
        if part.epoch:
            epoch, sequence = epoch + 1, 0
        for _ in range(part.number):
            wall_ms, monotonic_ms, sequence = wall_ms + part.apart_ms, monotonic_ms + part.apart_ms, sequence + 1
            rows.append(Row(Place(epoch, sequence), wall_ms, boot, monotonic_ms * 1_000))
    return rows


@contextmanager
def search_in(folder: Path, rows: Sequence[Row]) -> Iterator[RecordedSearch]:
    with inline_log(folder) as log:
        file = log.file
    with raw(file) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO event_sales VALUES (?, ?, ?, ?, ?, 0, zeroblob(10))",
            [(row.place.key, str(row.place), *row[1:]) for row in rows],
        )
        connection.execute("COMMIT")
    with RecordedSearch(file) as search:
        yield search


def found(search: RecordedSearch, window: Window, upto: Place) -> list[RecordedRun]:
    return list(search.find(SALES, window, upto).runs)


def asked(rows: Sequence[Row], window: Window) -> list[RecordedRun]:
    """By looking at each row."""
    runs: list[RecordedRun] = []
    before_in = False
    for row in rows:
        if window.from_ms <= row.recorded_ms < window.before_ms:
            last = runs[-1] if runs else None
            if before_in and last and last.last.epoch == row.place.epoch:
                runs[-1] = RecordedRun(last.first, row.place, last.events + 1, last.size_bytes + 10)
            else:
                runs.append(RecordedRun(row.place, row.place, 1, 10))
            before_in = True
        else:
            before_in = False
    return runs


parts = st.lists(
    st.builds(
        Part,
        number=st.integers(STRETCH, 3 * STRETCH),
        apart_ms=st.sampled_from([0, 1, 400, 60_000]),
        set_ms=st.sampled_from([0, 0, -100, 700, -3_000, 9_000, -3_600_000, 86_400_000, -1_700_000_000_000]),
        boot=st.booleans(),
        epoch=st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@given(parts, st.data())
@hypothesis_settings(max_examples=40, deadline=None)
def test_exactly_what_was_recorded_in_that_time_is_found_however_the_clock_was_set(
    parts: list[Part], data: st.DataObject
) -> None:
    rows = history(parts)
    times = st.sampled_from([row.recorded_ms for row in rows]).flatmap(lambda at: st.integers(at - 2, at + 2))
    with TemporaryDirectory() as folder, search_in(Path(folder), rows) as search:
        for _ in range(5):
            window = Window(*sorted(data.draw(st.tuples(times, times))))
            assert found(search, window, rows[-1].place) == asked(rows, window)
            there = any(window.from_ms <= row.recorded_ms < window.before_ms for row in rows[100:])
            assert search.any_after(SALES, window, rows[99].place, rows[-1].place) is there


def test_what_lies_elsewhere_is_looked_at_once_in_a_stretch(tmp_path: Path) -> None:
    rows = history([Part(50 * STRETCH, SECOND_MS)])
    looked: list[str] = []
    with search_in(tmp_path, rows) as search:
        search._connection.set_trace_callback(looked.append)
        window = Window(rows[10 * STRETCH + 5].recorded_ms, rows[10 * STRETCH + 15].recorded_ms)
        assert [run.events for run in found(search, window, rows[-1].place)] == [10]
    assert len(looked) < 60, "50 first rows, the last one, and the stretches that hold some of it"
    assert sum("length(body)" in statement for statement in looked) <= 2


def test_the_end_is_not_part_of_it_and_nothing_behind_a_place_is(tmp_path: Path) -> None:
    rows = history([Part(10, SECOND_MS)])
    with search_in(tmp_path, rows) as search:
        window = Window(NOON_MS + 3 * SECOND_MS, NOON_MS + 6 * SECOND_MS)
        assert found(search, window, Place(1, 10)) == [RecordedRun(Place(1, 3), Place(1, 5), 3, 30)]
        assert found(search, window, Place(1, 4)) == [RecordedRun(Place(1, 3), Place(1, 4), 2, 20)]
        assert not search.any_after(SALES, window, Place(1, 5), Place(1, 10))
        assert search.any_after(SALES, window, Place(1, 4), Place(1, 10))
        assert search.oldest(SALES) == (Place(1, 1), NOON_MS + SECOND_MS)
        assert search.oldest(Stream.STOCK) is None


def test_holes_do_not_end_a_run_and_what_is_left_out_does(tmp_path: Path) -> None:
    rows = [row for row in history([Part(20, SECOND_MS)]) if row.place.sequence not in (4, 5)]
    with search_in(tmp_path, rows) as search:
        assert [run.events for run in found(search, EVER, Place(1, 20))] == [18]
        runs, left_out, _ = search.find(SALES, EVER, Place(1, 20), [Span(1, 8, 10), Span(1, 20, 30)])
        assert [(run.first.sequence, run.last.sequence, run.events) for run in runs] == [(1, 7, 5), (11, 19, 9)]
        assert left_out == 4


def test_around_a_damaged_page_the_rest_is_found(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        for at in range(20):
            clock.move(seconds=1)
            log.append_now(events(100, f"x{at}"))
        finish(log.start_epoch("restored"))
        log.append_now(events(30, "y"))
        file = log.file
    overwrite_leaf(file, b"x3-50")
    with RecordedSearch(file) as search:
        runs, _, damaged = search.find(SALES, EVER, Place(2, 30))
        assert damaged
        assert sum(run.events for run in runs) >= 2_030 - STRETCH
        assert runs[-1].last == Place(2, 30)
        assert not search.find(Stream.STOCK, EVER, Place(2, 30)).damaged


def test_a_damaged_page_at_the_border_of_two_epochs_is_passed_at_once(tmp_path: Path) -> None:
    with inline_log(tmp_path, SetClock()) as log:
        log.append_now(events(1_000, "x"))
        finish(log.start_epoch("restored"))
        log.append_now(events(1_000, "y"))
        file = log.file
    overwrite_leaf(file, b"y-1")
    with RecordedSearch(file) as search:
        looked: list[str] = []
        search._connection.set_trace_callback(looked.append)
        runs, _, damaged = search.find(SALES, EVER, Place(2, 1_000))
        assert damaged
        assert runs[-1].last == Place(2, 1_000)
        assert sum(run.events for run in runs) >= 2_000 - 2 * STRETCH
    assert len(looked) < 200


def test_ten_thousand_spans_that_nobody_wants_take_no_time_for_each_row(tmp_path: Path) -> None:
    rows = history([Part(20_000, 1)])
    without = [Span(1, sequence, sequence) for sequence in range(1, 20_000, 2)]
    with search_in(tmp_path, rows) as search:
        begins_s = time.perf_counter()
        runs, left_out, _ = search.find(SALES, EVER, Place(1, 20_000), without)
        assert time.perf_counter() - begins_s < 1.0
        assert (left_out, len(runs)) == (10_000, 10_000)
