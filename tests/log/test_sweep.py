"""Reading from place to place, around damage."""

from pathlib import Path

from agent.event_types import Stream
from agent.log import START
from agent.log.reading.look import EVER, LogLook, Window
from agent.log.reading.sweep import Unreadable, merged, sweep
from tests.log.damage import overwrite_leaf
from tests.log.world import SetClock, events, inline_log

FILE = "events.sqlite"


def test_a_sweep_reads_all_but_the_damaged_page_and_counts_what_is_in_it(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(200))
    overwrite_leaf(tmp_path / FILE, b'"e-100"')
    skipped: list[Unreadable] = []
    with LogLook(tmp_path / FILE) as look:
        steps = list(sweep(look, Stream.SALES, START, look.state.head(Stream.SALES), EVER, skipped.append))
    read = [event.place.sequence for step in steps for event in step]
    (gap,) = skipped
    assert sorted([*read, *range(gap.after.sequence + 1, gap.before.sequence + 1)]) == list(range(1, 201))
    assert gap.events == 200 - len(read) < 20
    assert f"{gap.events} events after epoch 1 sequence {gap.after.sequence}" in str(gap)


def test_a_gap_over_the_end_of_an_epoch_is_of_unknown_size(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(12))
        log._do_now(log._epoch_job("restored"))
        log.append_now(events(100, "f"))
    overwrite_leaf(tmp_path / FILE, b'"e-12"')
    skipped: list[Unreadable] = []
    with LogLook(tmp_path / FILE) as look:
        steps = list(sweep(look, Stream.SALES, START, look.end(Stream.SALES), EVER, skipped.append))
    (gap,) = skipped
    assert (gap.after.epoch, gap.before.epoch, gap.events) == (1, 2, None)
    assert sum(map(len, steps)) > 95


def test_a_torn_end_loses_no_event_before_it_and_says_that_nobody_knows_how_many(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([*events(200), *events(3, "s", stream=Stream.STOCK)])
    overwrite_leaf(tmp_path / FILE, b'"e-200"')
    skipped: list[Unreadable] = []
    with LogLook(tmp_path / FILE) as look:
        found = [event.id for event in merged(look, dict.fromkeys(look.streams, START), EVER, skipped.append)]
    assert len(found) > 180
    assert {"s-1", "s-2", "s-3"} <= set(found)
    (gap,) = skipped
    assert gap.events is None
    assert "an unknown number of events after epoch 1 sequence" in str(gap)


def test_a_window_behind_the_damage_ends_too(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        log.append_now(events(200))
        clock.move(hours=1)
        log.append_now(events(5, "late"))
    overwrite_leaf(tmp_path / FILE, b'"e-100"')
    window = Window(from_ms=int(clock.wall().timestamp() * 1000))
    skipped: list[Unreadable] = []
    with LogLook(tmp_path / FILE) as look:
        steps = sweep(look, Stream.SALES, START, look.end(Stream.SALES), window, skipped.append)
        assert [event.id for step in steps for event in step] == [f"late-{at}" for at in range(1, 6)]
    assert len(skipped) == 1


def test_streams_are_merged_as_events_came_though_the_clock_went_back(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        for name, stream in (("a", Stream.SALES), ("b", Stream.STOCK), ("c", Stream.SALES), ("d", Stream.STOCK)):
            log.append_now(events(2, name, stream=stream))
            clock.jump(hours=-1)
    with LogLook(tmp_path / FILE) as look:
        found = merged(look, dict.fromkeys(look.streams, START), EVER, lambda _: None)
        assert [event.id for event in found] == ["a-1", "a-2", "b-1", "b-2", "c-1", "c-2", "d-1", "d-2"]
