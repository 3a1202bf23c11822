"""What the log remembers of (source, id) pairs: across days, restarts and retention."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from sqlite3 import Connection, connect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import IdFactory
from agent.errors import IdConflict
from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, EventLog
from agent.log.identities import Identities, Known, identity_key
from tests.log.world import NOON, SetClock, event, events, inline_log, raw, read_all


async def release(log: EventLog, *, days_later: SetClock) -> None:
    """Let retention have all but the newest event."""
    for consumer in (CLOUD, DAY_CLOSE):
        await log.advance(consumer, Stream.SALES, log.head(Stream.SALES))
    days_later.move(days=4)
    while await log.prune():
        pass


def day_tables(log: EventLog) -> list[str]:
    with raw(log) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'identity_%' ORDER BY name")
        return [name.removeprefix("identity_") for (name,) in rows]


async def test_a_pair_is_remembered_after_its_row_is_gone_and_after_a_restart(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        first = log.append_now([event("a", say="x"), event("b"), event("newest")])
        await release(log, days_later=clock)
        assert [stored.id for stored in read_all(log)] == ["newest"]
    with inline_log(tmp_path, clock) as log:
        assert log.append_now([event("a", say="x")]) == [first[0]._replace(duplicate=True)]
        with pytest.raises(IdConflict):
            log.append_now([event("a", say="y")])


async def test_pairs_of_several_days_are_found_in_their_tables(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock) as log:
        for day in range(4):
            log.append_now(events(300, f"day{day}"))
            clock.move(days=1)
        assert day_tables(log) == ["20260302", "20260303", "20260304", "20260305"]
        answers = log.append_now([*events(300, "day0"), *events(300, "day3"), event("new")])
        assert [one.duplicate for one in answers] == [True] * 600 + [False]
        assert answers[-1].sequence == 1201


async def test_a_pair_is_remembered_for_whole_days_not_until_midnight(tmp_path: Path) -> None:
    clock = SetClock(datetime(2026, 3, 2, 23, 59, 50, tzinfo=UTC))
    with inline_log(tmp_path, clock, dedupe_days=1) as log:
        log.append_now([event("a")])
        clock.move(seconds=20)
        log.append_now([event("other")])
        await log.prune()
        assert log.append_now([event("a")])[0].duplicate


@pytest.mark.case("C3")
async def test_a_pair_of_a_clock_that_jumped_back_is_not_the_first_forgotten(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock, dedupe_days=3) as log:
        for day in range(4):
            log.append_now([event(f"{day}")])
            clock.move(days=1)
        clock.jump(days=-4)
        log.append_now([event("jumped")])
        clock.move(days=4)
        for day in range(4, 7):
            log.append_now([event(f"{day}")])
            await log.prune()
            assert log.append_now([event("jumped")])[0].duplicate
            clock.move(days=1)


@pytest.mark.case("C2")
@pytest.mark.parametrize("wrong", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)])
async def test_a_clock_that_is_wrong_for_a_while_shortens_no_memory(tmp_path: Path, wrong: datetime) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock, dedupe_days=2) as log:
        log.append_now([event("a")])
        now, clock.now = clock.now, wrong
        log.append_now([event("wrong")])
        clock.now = now
        for _ in range(2):
            clock.move(days=1)
            log.append_now([event(clock.now.isoformat())])
            await log.prune()
            assert log.append_now([event("a")])[0].duplicate


async def test_the_oldest_tables_beyond_dedupe_days_are_forgotten(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock, dedupe_days=2) as log:
        for day in range(4):
            log.append_now([event(f"{day}")])
            clock.move(days=1)
        await log.prune()
        assert day_tables(log) == ["20260303", "20260304", "20260305"]
        answers = log.append_now([event("3"), event("2"), event("1"), event("0")])
        assert [one.duplicate for one in answers] == [True, True, True, False]


async def test_a_clock_that_was_in_1970_does_not_have_its_table_dropped_as_the_oldest(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock, dedupe_days=2) as log:
        for name, now in (
            ("1", NOON),
            ("2", datetime(2026, 3, 3, tzinfo=UTC)),
            ("3", datetime(1970, 1, 1, tzinfo=UTC)),
        ):
            clock.now = now
            log.append_now([event(name)])
    with inline_log(tmp_path, clock, dedupe_days=2) as log:
        await log.prune()
        assert [one.duplicate for one in log.append_now([event("3"), event("2")])] == [True, True]


def test_one_commit_may_write_to_two_days(tmp_path: Path) -> None:
    clock = SetClock(datetime(2026, 3, 2, 23, 59, 59, 999_000, UTC))
    with inline_log(tmp_path, clock) as log:
        log.append_now([event("a")])
        clock.move(seconds=1)
        log.append_now([event("b"), event("a")])
        assert day_tables(log) == ["20260302", "20260303"]
        assert len(read_all(log)) == 2


async def test_a_day_without_a_new_pair_pushes_no_other_day_out(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path, clock, dedupe_days=2) as log:
        log.append_now([event("a")])
        for retries in ([], [event("a")], []):
            clock.move(days=1)
            log.append_now(retries)
        await log.prune()
        assert day_tables(log) == ["20260302"]
        assert log.append_now([event("a")])[0].duplicate


# --- the tables alone --------------------------------------------------------------------------------------


def a_table() -> Connection:
    return connect(":memory:", isolation_level=None)


def uuid7_at(moment: datetime, seed: int = 1) -> str:
    return IdFactory(lambda: moment, Random(seed))()


def test_keys_of_uuid7_sort_by_their_time_and_after_all_others() -> None:
    moments = [datetime(year, 1, 1, tzinfo=UTC) for year in (1970, 2020, 2026, 9999)]
    keys = [identity_key("source", uuid7_at(moment, seed)) for seed, moment in enumerate(moments)]
    others = [identity_key("source", f"sale-{at}") for at in range(100)]
    assert sorted([*keys, *others])[100:] == keys
    assert {len(key) for key in [*keys, *others]} == {16}


@given(st.text(max_size=40), st.text(min_size=1, max_size=40))
def test_keys_differ_by_source_and_by_id(source: str, event_id: str) -> None:
    key = identity_key(source.replace("\0", ""), event_id)
    assert key != identity_key(source.replace("\0", "") + "x", event_id)
    assert key != identity_key(source.replace("\0", ""), event_id + "x")


@pytest.mark.parametrize(
    "event_id", ["x" * 14 + "7" + "x" * 21, "0195f3c2-aaaa-7bbb-8ccc-0123456789aé", "é" * 14 + "7" + "é" * 21]
)
def test_an_id_that_only_looks_like_a_uuid7_has_a_key_all_the_same(event_id: str) -> None:
    assert len(identity_key("source", event_id)) == 16


def test_a_new_uuid7_is_looked_up_in_no_table_of_earlier_days() -> None:
    with closing(a_table()) as connection:
        tables = Identities(connection)
        for day in range(1, 6):
            keys = [identity_key("s", uuid7_at(datetime(2026, 3, day, hour, tzinfo=UTC))) for hour in range(24)]
            tables.remember(f"2026030{day}", keys, dict.fromkeys(keys, (b"d", 1)))
        seen: list[str] = []
        connection.set_trace_callback(seen.append)
        assert tables.find([identity_key("s", uuid7_at(datetime(2026, 3, 6, tzinfo=UTC)))]) == {}
        assert seen == []
        assert len(tables.find([keys[0]])) == 1
        assert len(seen) == 1


SOME_IDS = st.one_of(
    st.text("ab", max_size=3),
    st.integers(0, 8 * 86_400).map(lambda later_s: uuid7_at(NOON + timedelta(seconds=later_s))),
)


@given(st.lists(st.tuples(st.integers(0, 3), st.sets(SOME_IDS)), max_size=8), st.sampled_from(["kept", "loaded"]))
def test_what_was_remembered_is_found_and_nothing_else(days: list[tuple[int, set[str]]], ranges: str) -> None:
    with closing(a_table()) as connection:
        tables = Identities(connection)
        model: dict[bytes, Known] = {}
        for day, names in days:
            keys = {identity_key("s", name) for name in names}
            pairs = {key: (key[:4], at) for at, key in enumerate(keys - model.keys())}
            tables.remember(f"2026010{day}", list(pairs), pairs)
            model |= pairs
        if ranges == "loaded":
            tables = Identities(connection)
        strangers = [identity_key("stranger", f"{at}") for at in range(3)]
        assert tables.find([*model, *strangers]) == model
