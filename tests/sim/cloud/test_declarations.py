"""What a device declares of its sequences is neither missing nor delivered, in whatever order anything arrives."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.cloud.books import Book
from sim.cloud.holes import Gap
from sim.cloud.ledger import Ledger, Outcome
from tests.sim.cloud.publishes import (
    DEVICE,
    EPOCH,
    FixedClock,
    batch,
    declaration,
    declare,
    event,
    events_topic,
    rows,
    sales,
)

NEWER_EPOCH = "01900000-0000-7000-8000-000000000009"


def book(ledger: Ledger, stream: str = "sales") -> Book:
    (found,) = (one for one in ledger.books(DEVICE) if (one.key.stream, one.key.epoch) == (stream, EPOCH))
    return found


def gaps(ledger: Ledger) -> dict[str, list[tuple[int, int]]]:
    return {gap.value: spans for gap in Gap if (spans := book(ledger).holes.spans(gap))}


# --- rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["shed", "quarantined", "parked"])
def test_a_declared_hole_is_not_missing(word: str, ledger: Ledger) -> None:
    sales(ledger, [1, 2, 9])
    declare(ledger, 1, word, 3, 6)
    assert gaps(ledger) == {"missing": [(7, 8)], word: [(3, 6)]}


def test_a_declaration_may_come_before_what_is_around_it(ledger: Ledger) -> None:
    declare(ledger, 1, "shed", 3, 6)
    assert gaps(ledger) == {"missing": [(1, 2)], "shed": [(3, 6)]}
    sales(ledger, [1, 2, 7])
    assert gaps(ledger) == {"shed": [(3, 6)]}


def test_a_declaration_beyond_the_last_arrival_raises_the_high_water_mark_which_has_no_event(ledger: Ledger) -> None:
    sales(ledger, [1, 2])
    declare(ledger, 1, "shed", 3, 6)
    assert (book(ledger).holes.upto, book(ledger).last_id) == (6, "")
    sales(ledger, [7])
    assert (book(ledger).holes.upto, book(ledger).last_id) == (7, "sales-0001-7")


def test_an_event_that_was_declared_while_it_was_on_its_way_counts_once_as_delivered(
    ledger: Ledger, file: Path
) -> None:
    sales(ledger, [1, 3])
    declare(ledger, 1, "shed", 2, 4)
    assert gaps(ledger) == {"shed": [(2, 2), (4, 4)]}
    assert ledger.accept(events_topic(), batch(event(2))) == Outcome(stored=1)
    assert ledger.accept(events_topic(), batch(event(2))) == Outcome(redelivered=1)
    assert gaps(ledger) == {"shed": [(4, 4)]}
    assert rows(file, "SELECT counted FROM events WHERE sequence = 2") == [(1,)]


def test_declarations_twice_and_overlapping_count_each_sequence_once(ledger: Ledger) -> None:
    sales(ledger, [1, 11])
    declare(ledger, 1, "shed", 2, 5)
    declare(ledger, 1, "shed", 2, 5)
    declare(ledger, 2, "shed", 2, 5)
    declare(ledger, 3, "shed", 4, 8)
    assert gaps(ledger) == {"missing": [(9, 10)], "shed": [(2, 8)]}


def test_a_tombstone_over_quarantined_events_leaves_them_quarantined(ledger: Ledger) -> None:
    declare(ledger, 1, "quarantined", 4, 4)
    declare(ledger, 2, "shed", 1, 9)
    assert gaps(ledger) == {"shed": [(1, 3), (5, 9)], "quarantined": [(4, 4)]}


def test_what_was_lost_with_a_damaged_log_but_shed_before_stays_shed(ledger: Ledger) -> None:
    declare(ledger, 1, "shed", 2, 3)
    declare(ledger, 2, "quarantined", 1, 5, reason="lost")
    assert gaps(ledger) == {"shed": [(2, 3)], "quarantined": [(1, 1), (4, 5)]}


def test_what_is_released_is_missing_until_it_arrives(ledger: Ledger) -> None:
    declare(ledger, 1, "shed", 1, 2)
    declare(ledger, 2, "quarantined", 3, 8)
    declare(ledger, 3, "released", 1, 5)
    assert gaps(ledger) == {"missing": [(3, 5)], "shed": [(1, 2)], "quarantined": [(6, 8)]}
    sales(ledger, [3, 4, 5])
    assert gaps(ledger) == {"shed": [(1, 2)], "quarantined": [(6, 8)]}


@pytest.mark.case("N5")
def test_what_was_parked_and_arrives_later_is_taken_off_that_list(ledger: Ledger) -> None:
    declare(ledger, 1, "parked", 2, 5)
    sales(ledger, [1, 2, 6])
    assert gaps(ledger) == {"parked": [(3, 5)]}
    sales(ledger, [3, 4, 5])
    declare(ledger, 2, "released", 2, 5)
    assert gaps(ledger) == {}


def test_what_was_parked_and_given_up_or_damaged_later_is_that(ledger: Ledger) -> None:
    declare(ledger, 1, "parked", 1, 6)
    declare(ledger, 2, "shed", 1, 2)
    declare(ledger, 3, "quarantined", 5, 5)
    assert gaps(ledger) == {"shed": [(1, 2)], "parked": [(3, 4), (6, 6)], "quarantined": [(5, 5)]}


def test_a_release_that_overtakes_its_quarantine_holds(ledger: Ledger) -> None:
    declare(ledger, 6, "released", 2, 2)
    assert gaps(ledger) == {"missing": [(1, 2)]}
    declare(ledger, 5, "quarantined", 1, 3)
    assert gaps(ledger) == {"missing": [(2, 2)], "quarantined": [(1, 1), (3, 3)]}


def test_an_old_declaration_that_comes_again_does_not_undo_a_release(ledger: Ledger) -> None:
    declare(ledger, 5, "quarantined", 1, 3)
    declare(ledger, 6, "released", 1, 3)
    declare(ledger, 5, "quarantined", 1, 3)
    assert gaps(ledger) == {"missing": [(1, 3)]}


def test_a_newer_epochs_audit_stream_may_speak_of_an_older_epoch(ledger: Ledger) -> None:
    sales(ledger, [1, 5])
    declare(ledger, 7, "quarantined", 2, 3)
    words = [("quarantined", 4, 4), ("released", 2, 2)]
    said = [declaration(number, *word) | {"epoch": NEWER_EPOCH} for number, word in enumerate(words, 1)]
    ledger.accept(events_topic("audit"), batch(*said))
    assert gaps(ledger) == {"missing": [(2, 2)], "quarantined": [(3, 4)]}


def test_streams_and_devices_are_declared_apart(ledger: Ledger) -> None:
    sales(ledger, [1, 4])
    declare(ledger, 1, "shed", 2, 3, stream="sensor")
    other = declaration(1, "shed", 2, 3) | {"source": "/store-1/box-2/agent"}
    ledger.accept(events_topic("audit", device="store-1/box-2"), batch(other))
    assert gaps(ledger) == {"missing": [(2, 3)]}
    assert book(ledger, "sensor").holes.spans(Gap.SHED) == [(2, 3)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"first_sequence": 0}, "no range of sequences: 0 to 6"),
        ({"last_sequence": 2}, "no range of sequences: 3 to 2"),
        ({"stream": "weather"}, "no notice: 1 problems"),
        ({"last_sequence": "6"}, "no notice: 1 problems"),
    ],
)
def test_a_malformed_declaration_is_stored_and_told(
    changes: dict[str, Any], says: str, ledger: Ledger, file: Path
) -> None:
    said = declaration(1, "shed", 3, 6)
    assert ledger.accept(events_topic("audit"), batch(said | {"data": said["data"] | changes})) == Outcome(stored=1)
    assert rows(file, "SELECT reason FROM dead_letters") == [(f"stored without effect: {says}",)]
    assert rows(file, "SELECT count(*) FROM declarations") == [(0,)]


def test_anyone_can_count_what_was_declared_and_why(ledger: Ledger, file: Path) -> None:
    sales(ledger, [1, 10])
    declare(ledger, 1, "shed", 2, 5)
    declare(ledger, 2, "quarantined", 6, 6)
    kinds = rows(file, "SELECT kind, sum(last - first + 1) FROM holes GROUP BY kind ORDER BY kind")
    assert kinds == [("missing", 3), ("quarantined", 1), ("shed", 4)]
    said = rows(file, "SELECT sequence, word, first, last, reason FROM declarations ORDER BY sequence")
    assert said == [(1, "shed", 2, 5, "storage_pressure"), (2, "quarantined", 6, 6, "checksum")]


def test_a_publish_that_fails_leaves_no_declaration(
    ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales(ledger, [1, 4])
    with monkeypatch.context() as patch:
        patch.setattr("sim.cloud.books._SAVE_HOLE", "INSERT INTO no_such_table VALUES (?, ?, ?, ?)")
        with pytest.raises(Exception, match="no_such_table"):
            declare(ledger, 1, "shed", 2, 2)
    assert gaps(ledger) == {"missing": [(2, 3)]}
    assert rows(file, "SELECT count(*) FROM declarations") == [(0,)]
    declare(ledger, 1, "shed", 2, 3)
    assert gaps(ledger) == {"shed": [(2, 3)]}


# --- against a model -----------------------------------------------------------------------------------------

TOP = 20
Said = tuple[str, int, int]
WORDS = st.tuples(
    st.sampled_from(["shed", "quarantined", "parked", "released"]), st.integers(1, TOP), st.integers(0, 8)
)
OVERRULES = {"shed": {"missing", "parked"}, "quarantined": {"missing", "parked"}, "parked": {"missing"}}


def expected(arrived: set[int], said: dict[int, Said]) -> dict[str, set[int]]:
    """What is what, sequence by sequence, after the device's words in their own order."""
    tops = arrived | {first + more for _, first, more in said.values()}
    state = dict.fromkeys(range(1, max(tops, default=0) + 1), "missing")
    for _, (word, first, more) in sorted(said.items()):
        for sequence in range(first, first + more + 1):
            if word == "released" and state[sequence] in {"quarantined", "parked"}:
                state[sequence] = "missing"
            elif state[sequence] in OVERRULES.get(word, ()):
                state[sequence] = word
    return {gap.value: {one for one, kind in state.items() if kind == gap and one not in arrived} for gap in Gap}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(WORDS, max_size=8), plan=st.data())
def test_any_order_of_arrivals_declarations_and_repeats_equals_a_set_based_model(
    said: list[Said], plan: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    steps = st.integers(1, TOP) | st.sampled_from(range(-len(said), 0)) if said else st.integers(1, TOP)
    publishes = plan.draw(st.lists(st.lists(steps, min_size=1, max_size=6), max_size=10))
    reopen_after = plan.draw(st.integers(0, 10))
    arrived: set[int] = set()
    heard: dict[int, Said] = {}
    ledger = Ledger.open(file, FixedClock())
    try:
        for number, publish in enumerate(publishes):
            if number == reopen_after:
                ledger.close()
                ledger = Ledger.open(file, FixedClock())
            if sequences := [step for step in publish if step > 0]:
                sales(ledger, sequences)
                arrived.update(sequences)
            if places := [-step for step in publish if step < 0]:
                words = {place: said[place - 1] for place in places}
                notices = (declaration(at, word, first, first + more) for at, (word, first, more) in words.items())
                ledger.accept(events_topic("audit"), batch(*notices))
                heard |= words
            if not arrived and not heard:
                continue
            holes = book(ledger).holes
            found = {gap.value: {n for a, b in holes.spans(gap) for n in range(a, b + 1)} for gap in Gap}
            assert found == expected(arrived, heard)
            assert holes.upto == max(arrived | {first + more for _, first, more in heard.values()})
            assert book(ledger).last_id == (f"sales-0001-{holes.upto}" if holes.upto in arrived else "")
            assert (book(ledger).stored, book(ledger).counted) == (len(arrived), len(arrived))
    finally:
        ledger.close()
    of_file: dict[str, set[int]] = {gap.value: set() for gap in Gap}
    for kind, first, last in rows(
        file,
        "SELECT kind, first, last FROM holes AS h JOIN streams AS s ON s.number = h.stream WHERE s.stream = 'sales'",
    ):
        of_file[kind] |= set(range(first, last + 1))
    assert of_file == expected(arrived, heard)
