"""Day closes: checked against the ledger's own rows, answered, and answered again when more arrives."""

from contextlib import closing
from pathlib import Path

import pytest

from sim.cloud import days as days_module
from sim.cloud.days import DayAnswer
from sim.cloud.ledger import Ledger
from tests.sim.cloud.publishes import (
    DEVICE,
    EPOCH,
    FixedClock,
    batch,
    day_closed,
    day_range,
    event,
    events_topic,
    sales,
)
from tests.sim.cloud.publishes import rows as table_rows

DAY = "2017-03-05"


def answer(ledger: Ledger) -> tuple[bool, int, int, int, str]:
    (found,) = ledger.day_answers(DEVICE)
    assert (found.business_day, found.stream, found.epoch) == (DAY, "sales", EPOCH)
    return found.ok, found.count, found.missing, found.conflicts, found.problem


def test_a_day_with_everything_there_is_ok(ledger: Ledger) -> None:
    sales(ledger, range(1, 101))
    day_closed(ledger, 1, DAY, day_range(1, 100))
    assert answer(ledger) == (True, 100, 0, 0, "")


def test_a_day_closed_before_its_events_arrive_is_answered_again(ledger: Ledger) -> None:
    day_closed(ledger, 1, DAY, day_range(11, 20))
    assert answer(ledger) == (False, 10, 10, 0, "10 of 10 events missing")
    sales(ledger, [*range(1, 15), 25])
    assert answer(ledger) == (False, 10, 6, 0, "6 of 10 events missing")
    sales(ledger, [15, 16, 17, 18, 20])
    assert answer(ledger) == (False, 10, 1, 0, "1 of 10 events missing")
    sales(ledger, [19])
    assert answer(ledger) == (True, 10, 0, 0, "")


def test_an_open_day_survives_a_restart(file: Path) -> None:
    with closing(Ledger.open(file, FixedClock())) as first:
        day_closed(first, 1, DAY, day_range(1, 3))
    with closing(Ledger.open(file, FixedClock())) as second:
        sales(second, [1, 2, 3])
        assert answer(second) == (True, 3, 0, 0, "")


def test_other_events_than_the_device_closed_are_told(ledger: Ledger) -> None:
    sales(ledger, [1, 2])
    ledger.accept(events_topic(), batch(event(3, event_id="another")))
    day_closed(ledger, 1, DAY, day_range(1, 3))
    problem = "other events here than the device closed: ids and sequences differ"
    assert answer(ledger) == (False, 3, 0, 0, problem)
    sales(ledger, [3])  # the device's own event comes after all: a conflict, and told as one
    assert answer(ledger) == (False, 3, 0, 1, problem)


def test_a_conflict_beside_the_right_events_is_told_but_the_day_is_ok(ledger: Ledger) -> None:
    sales(ledger, [1, 2])
    ledger.accept(events_topic(), batch(event(2, event_id="another")))
    day_closed(ledger, 1, DAY, day_range(1, 2))
    assert answer(ledger) == (True, 2, 0, 1, "")


def test_what_the_device_declared_shed_or_parked_is_not_missing(ledger: Ledger) -> None:
    whole = day_range(1, 4)
    sales(ledger, [1, 2, 3, 4])
    day_closed(ledger, 1, DAY, whole | {"last_sequence": 6, "shed": 1, "parked": 1})
    assert answer(ledger) == (True, 4, 0, 0, "")


def test_an_empty_part_of_a_day_is_ok(ledger: Ledger) -> None:
    day_closed(ledger, 1, DAY, day_range(0, -1) | {"last_sequence": 0})
    assert answer(ledger) == (True, 0, 0, 0, "")


def test_a_day_closed_in_parts_has_one_answer_for_all_of_them(ledger: Ledger) -> None:
    sales(ledger, [1, 2, 4, 5, 6])
    day_closed(ledger, 1, DAY, day_range(1, 3))
    day_closed(ledger, 2, DAY, day_range(4, 6))
    assert answer(ledger) == (False, 6, 1, 0, "1 of 3 events missing")
    sales(ledger, [3])
    assert answer(ledger) == (True, 6, 0, 0, "")


def test_a_day_closed_again_is_answered_by_its_last_close(ledger: Ledger) -> None:
    sales(ledger, [1, 2, 3])
    day_closed(ledger, 1, DAY, day_range(1, 9))
    day_closed(ledger, 2, DAY, day_range(1, 3))
    assert answer(ledger) == (True, 3, 0, 0, "")


def test_a_malformed_day_close_is_stored_and_told(ledger: Ledger, file: Path) -> None:
    day_closed(ledger, 1, "yesterday", {"stream": "sales"})
    assert ledger.day_answers(DEVICE) == []
    assert table_rows(file, "SELECT count(*) FROM events") == [(1,)]
    ((reason,),) = table_rows(file, "SELECT reason FROM dead_letters")
    assert reason.startswith("stored without effect: no day close: ")


def test_the_last_fourteen_days_are_answered_newest_first(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    sales(ledger, range(1, 21))
    for number in range(1, 21):
        other = day_range(number, number) | {"stream": "stock", "sha256": "0" * 64}
        day_closed(ledger, number, f"2017-03-{number:02}", day_range(number, number), other)
    found = ledger.day_answers(DEVICE)
    assert [(day.business_day, day.stream) for day in found] == [
        (f"2017-03-{number:02}", stream) for number in range(20, 6, -1) for stream in ("sales", "stock")
    ]
    assert found[0] == DayAnswer(
        "2017-03-20", "sales", EPOCH, ok=True, count=1, missing=0, declared=0, conflicts=0, problem=""
    )
    monkeypatch.setattr(days_module, "ANSWERS_MAX", 3)
    assert len(ledger.day_answers(DEVICE)) == 3


def test_only_the_days_touched_are_looked_at_again(ledger: Ledger) -> None:
    sales(ledger, [1, 2])
    ledger.accept(events_topic(), batch(event(3, event_id="another")))
    day_closed(ledger, 1, DAY, day_range(1, 3))
    statements: list[str] = []
    ledger._connection.set_trace_callback(statements.append)
    sales(ledger, [4, 5])
    assert not [statement for statement in statements if "days" in statement]
