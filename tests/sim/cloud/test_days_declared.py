"""Day closes beside declarations: the device's close is checked against what it had then, whatever arrives when."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.cloud.ledger import Ledger
from tests.sim.cloud.publishes import (
    DEVICE,
    EPOCH,
    FixedClock,
    batch,
    day_closed,
    day_range,
    declaration,
    declare,
    event,
    events_topic,
    sales,
)

DAY = "2017-03-05"
NOT_THESE = "other events here than the device closed: ids and sequences differ"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(tmp_path / "ledger.sqlite", FixedClock())) as opened:
        yield opened


def answer(ledger: Ledger) -> tuple[bool, int, int, int, str]:
    """Whether it is right, count, missing, declared since, problem."""
    (found,) = ledger.day_answers(DEVICE)
    return found.ok, found.count, found.missing, found.declared, found.problem


def closed_with(first: int, last: int, there: set[int]) -> dict[str, Any]:
    """What a device closes that had only some of a range."""
    digest = sha256("".join(f"{number}:sales-{EPOCH[-4:]}-{number}\n" for number in sorted(there)).encode())
    return day_range(first, last, count=len(there), sha256=digest.hexdigest())


@pytest.mark.parametrize("word", ["shed", "quarantined", "parked"])
def test_what_was_declared_before_the_close_is_left_out_though_it_arrived(word: str, ledger: Ledger) -> None:
    sales(ledger, range(1, 8))
    declare(ledger, 1, word, 3, 5)
    day_closed(ledger, 2, DAY, closed_with(1, 7, {1, 2, 6, 7}))
    assert answer(ledger) == (True, 4, 0, 0, "")


def test_a_declaration_that_arrives_after_the_close_answers_it_again(ledger: Ledger) -> None:
    sales(ledger, [1, 2, 4, 6, 7])
    day_closed(ledger, 2, DAY, closed_with(1, 7, {1, 2, 6, 7}))
    assert answer(ledger) == (False, 4, 0, 0, NOT_THESE)
    declare(ledger, 1, "shed", 3, 5)
    assert answer(ledger) == (True, 4, 0, 0, "")


def test_missing_events_are_still_missed_beside_declared_ones(ledger: Ledger) -> None:
    declare(ledger, 1, "shed", 1, 5)
    sales(ledger, [2, 3, 6, 8])
    day_closed(ledger, 2, DAY, closed_with(1, 8, {6, 7, 8}))
    assert answer(ledger) == (False, 3, 1, 0, "1 of 3 events missing")
    sales(ledger, [7])
    assert answer(ledger) == (True, 3, 0, 0, "")


def test_what_was_declared_after_the_close_is_told_beside_the_answer(ledger: Ledger) -> None:
    sales(ledger, [1, 2])
    day_closed(ledger, 1, DAY, day_range(1, 6))
    assert answer(ledger) == (False, 6, 4, 0, "4 of 6 events missing")
    declare(ledger, 2, "shed", 3, 5)
    assert answer(ledger) == (False, 6, 1, 0, "1 of 6 events missing")
    sales(ledger, [6])
    assert answer(ledger) == (True, 6, 0, 3, "")


def test_what_was_declared_after_the_close_and_arrives_all_the_same_is_compared(tmp_path: Path) -> None:
    with closing(Ledger.open(tmp_path / "ledger.sqlite", FixedClock())) as first:
        day_closed(first, 1, DAY, day_range(1, 4))
        declare(first, 2, "quarantined", 2, 3)
        sales(first, [1, 2, 4])
        assert answer(first) == (True, 4, 0, 1, "")
    with closing(Ledger.open(tmp_path / "ledger.sqlite", FixedClock())) as again:  # it stays open to what may come
        declare(again, 3, "released", 2, 3)
        assert answer(again) == (False, 4, 1, 0, "1 of 4 events missing")
        again.accept(events_topic(), batch(event(3, event_id="another")))
        assert answer(again) == (False, 4, 0, 0, NOT_THESE)


def test_a_declaration_made_while_the_device_measured_is_no_difference(ledger: Ledger) -> None:
    declare(ledger, 1, "shed", 1, 3)  # stored before the close, which counted them a moment before
    sales(ledger, [1, 4, 5])
    day_closed(ledger, 2, DAY, day_range(1, 5))
    assert answer(ledger) == (True, 5, 0, 2, "")
    sales(ledger, [2, 3])
    assert answer(ledger) == (True, 5, 0, 0, "")


def test_a_close_that_names_more_than_was_ever_there_differs(ledger: Ledger) -> None:
    declare(ledger, 1, "shed", 2, 2)
    sales(ledger, [1, 3])
    day_closed(ledger, 2, DAY, day_range(1, 3, count=7))
    assert answer(ledger) == (False, 7, 0, 0, NOT_THESE)


# --- any history of a device, in any order on the wire --------------------------------------------------------

TOP = 12
ACTS = st.lists(
    st.tuples(st.sampled_from(["shed", "quarantined", "parked"]), st.integers(1, TOP), st.integers(0, 4)), max_size=5
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=ACTS, after=ACTS, in_flight=st.sets(st.integers(1, TOP)), lost=st.sets(st.integers(1, TOP)), draw=st.data()
)
def test_a_days_last_answer_is_the_same_in_whatever_order_its_parts_arrive(
    before: list[tuple[str, int, int]],
    after: list[tuple[str, int, int]],
    in_flight: set[int],
    lost: set[int],
    draw: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def covered(acts: list[tuple[str, int, int]]) -> set[int]:
        return {number for _, first, more in acts for number in range(first, min(TOP, first + more) + 1)}

    there = set(range(1, TOP + 1)) - covered(before)
    given_up = covered(before) | covered(after)
    arrives = (set(range(1, TOP + 1)) - given_up | in_flight) - lost
    audit = [*before, None, *after]
    publishes: list[tuple[str, bytes]] = [("sales", batch(event(number))) for number in sorted(arrives)]
    for at, act in enumerate(audit, 1):
        if act is None:
            data = {"business_day": DAY, "ranges": [closed_with(1, TOP, there)]}
            said = event(at, type_name="audit.day_closed.v1", stream="audit", data=data, producer="agent")
        else:
            word, first, more = act
            said = declaration(at, word, first, min(TOP, first + more))
        publishes.append(("audit", batch(said)))
    file = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with closing(Ledger.open(file, FixedClock())) as ledger:
        for stream, payload in draw.draw(st.permutations(publishes)):
            ledger.accept(events_topic(stream), payload)
        lacking = there - arrives - given_up
        since = there - arrives - lacking
        problem = f"{len(lacking)} of {len(there)} events missing" if lacking else ""
        expected = (not lacking, len(there), len(lacking), 0 if lacking else len(since), problem)
        assert answer(ledger) == (expected if there else (True, 0, 0, 0, ""))
