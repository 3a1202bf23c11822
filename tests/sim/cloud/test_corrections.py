"""Corrected clocks: an event keeps its times, and anyone can read beside them what they should have been."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sim.cloud.ledger import Ledger
from sim.cloud.reconcile import reconcile
from tests.sim.cloud.publishes import EPOCH, FixedClock, batch, event, events_topic, rows

WRONG, RIGHT = "1970-01-01T00:00:12.345Z", "2026-11-21T10:00:00.000Z"
ADD_MS = 1_795_255_187_655
TIMES = "SELECT sequence, time, recorded, corrected_time, corrected_recorded FROM times WHERE stream = 1 ORDER BY 1"


def sold(ledger: Ledger, sequence: int, *, time: str = WRONG, recorded: str = WRONG) -> None:
    scan = event(sequence) | {"time": time, "recordedtime": recorded, "clocksynced": False}
    ledger.accept(events_topic(), batch(scan))


def correct(ledger: Ledger, sequence: int, *spans: tuple[int, int, int]) -> None:
    """The audit event that says what to add, for ranges of sales: first, last, milliseconds."""
    ranges: list[dict[str, Any]] = [
        {"stream": "sales", "epoch": EPOCH, "first_sequence": first, "last_sequence": last, "add_ms": add_ms}
        for first, last, add_ms in spans
    ]
    data = {"synchronised_at": RIGHT, "ranges": ranges}
    said = event(sequence, type_name="audit.clock_corrected.v1", stream="audit", data=data, producer="agent")
    ledger.accept(events_topic("audit"), batch(said))


@pytest.mark.parametrize("correction_first", [False, True])
def test_the_original_is_kept_and_the_corrected_time_stands_beside_it(
    ledger: Ledger, file: Path, *, correction_first: bool
) -> None:
    sold(ledger, 1)
    if correction_first:
        correct(ledger, 1, (2, 3, ADD_MS))
    sold(ledger, 2)
    sold(ledger, 4)
    if not correction_first:
        correct(ledger, 1, (2, 3, ADD_MS))
    assert rows(file, TIMES) == [
        (1, WRONG, WRONG, WRONG, WRONG),
        (2, WRONG, WRONG, RIGHT, RIGHT),
        (4, WRONG, WRONG, WRONG, WRONG),
    ]


def test_a_time_that_a_producer_sent_from_a_clock_of_its_own_is_left_alone(ledger: Ledger, file: Path) -> None:
    sold(ledger, 1, time=RIGHT)
    sold(ledger, 2, time="1970-01-01T00:00:12.340Z")  # the agent's own, taken a moment before
    sold(ledger, 3, time="2026-11-21T09:59:59.995+00:00", recorded="2026-11-21T10:00:05.000Z")
    correct(ledger, 1, (1, 2, ADD_MS), (3, 3, -5_000))
    assert [row[3:] for row in rows(file, TIMES)] == [
        (RIGHT, RIGHT),
        ("2026-11-21T09:59:59.995Z", RIGHT),
        ("2026-11-21T09:59:59.995+00:00", RIGHT),
    ]


def test_of_two_corrections_the_later_one_of_the_device_holds(ledger: Ledger, file: Path) -> None:
    sold(ledger, 1)
    correct(ledger, 5, (1, 1, ADD_MS))
    correct(ledger, 4, (1, 1, 77))
    correct(ledger, 5, (1, 1, ADD_MS))
    assert rows(file, TIMES) == [(1, WRONG, WRONG, RIGHT, RIGHT)]


def test_corrections_survive_and_are_counted(file: Path) -> None:
    with closing(Ledger.open(file, FixedClock())) as first:
        correct(first, 1, (1, 3, ADD_MS), (3, 5, ADD_MS))
    with closing(Ledger.open(file, FixedClock())) as again:
        for sequence in (1, 2, 3, 6):
            sold(again, sequence)
    assert rows(file, "SELECT count(*) FROM times WHERE corrected_recorded = ?", RIGHT) == [(3,)]
    found = reconcile(file)
    assert (found.clock_corrected, found.missing) == (3, 2)


def test_a_malformed_correction_is_stored_and_told(ledger: Ledger, file: Path) -> None:
    correct(ledger, 1, (1, 5, 7), (9, 8, 7))
    correct(ledger, 2, (1, 5, 10**14))
    assert rows(file, "SELECT reason FROM dead_letters") == [
        ("stored without effect: no range of sequences: 9 to 8",),
        ("stored without effect: no notice: 1 problems",),
    ]
    assert rows(file, "SELECT count(*) FROM corrections") == [(0,)]
