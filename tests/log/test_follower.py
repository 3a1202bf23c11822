"""Following a log as it grows, begins an epoch, or is replaced."""

import asyncio
from pathlib import Path

from agent.event_types import Stream
from agent.log.reading.follower import LogFollower
from agent.log.reading.sweep import Unreadable
from tests.log.world import events, inline_log

FILE = "events.sqlite"


def follow(file: Path, *streams: Stream) -> LogFollower:
    def fail(part: Unreadable) -> None:
        raise AssertionError(part)

    return LogFollower(file, streams or Stream, fail)


def news(follower: LogFollower) -> list[str]:
    return [event.id for event in follower.news()]


def test_it_begins_behind_what_is_there_and_tells_each_event_once(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
        with follow(log.file) as follower:
            assert news(follower) == []
            log.append_now(events(1, "a"))
            log.append_now(events(1, "b", stream=Stream.STOCK))
            assert news(follower) == ["a-1", "b-1"]
            assert news(follower) == []


def test_only_the_chosen_streams_are_told(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log, follow(log.file, Stream.STOCK) as follower:
        log.append_now([*events(1, "a"), *events(1, "b", stream=Stream.STOCK)])
        assert news(follower) == ["b-1"]


def test_it_goes_on_in_a_new_epoch(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now(events(3))
        with follow(log.file) as follower:
            log.append_now(events(1, "a"))
            asyncio.run(log.start_epoch("behind_ledger"))
            log.append_now(events(1, "b"))
            assert news(follower) == ["a-1", "b-1"]
            assert not follower.replaced


def test_it_goes_on_in_the_file_that_takes_the_place_of_a_damaged_one(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log, follow(log.file) as follower:
        log.append_now(events(1, "a"))
        aside = tmp_path / "aside"
        aside.mkdir()
        for file in tmp_path.glob("events.sqlite*"):
            file.rename(aside / file.name)
        assert (news(follower), follower.replaced) == (["a-1"], False)
        (tmp_path / "lock").unlink()
        with inline_log(tmp_path) as second:
            second.append_now(events(2, "b"))
            assert (news(follower), follower.replaced) == (["b-1", "b-2"], True)
            second.append_now(events(1, "c"))
            assert (news(follower), follower.replaced) == (["c-1"], False)


def test_cursors_that_move_are_known_with_the_next_news(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log, follow(log.file) as follower:
        log.append_now(events(2))
        news(follower)
        asyncio.run(log.advance("cloud", Stream.SALES, log.head(Stream.SALES)))
        assert news(follower) == []
        assert follower.look.state.cursor("cloud", Stream.SALES).sequence == 2
