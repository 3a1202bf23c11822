"""What a kiosk says becomes times, and a suggestion that comes late is seen."""

from typing import Any

from sim.demo.kiosk_watch import KioskTimes, KioskWatch
from sim.demo.painted import Said


def said(at_s: float = 0.0, *, card: str = "idle", **changes: Any) -> Said:
    painted = {
        "basket_id": "b-1",
        "basket_version": 1,
        "lines": 1,
        "decided_for": None,
        "decision_id": None,
        "status_kind": "online",
        "notice": "",
        "can_undo": False,
        "cards": [{"sku": "4", "kind": card, "name": "Butter", "price": "€2.00", "reason": "popular"}],
    }
    more = {name: changes.pop(name) for name in ("tap_to_paint_ms", "ended") if name in changes}
    return Said.model_validate({"painted": painted | changes, "at_s": at_s} | more)


def watched(*lines: Said) -> KioskTimes:
    times = KioskTimes()
    watch = KioskWatch(times)
    for line in lines:
        watch.hear(line)
    return times


def test_a_scan_lasts_until_suggestions_for_its_basket_are_painted() -> None:
    times = KioskTimes()
    watch = KioskWatch(times)
    watch.scanned("b-1", 1, 10.0)
    watch.hear(said(10.05))
    assert times.scan_to_suggestions == []
    watch.hear(said(10.15, decided_for=1, decision_id="d-1"))
    watch.hear(said(10.25, decided_for=1, decision_id="d-1", can_undo=True))
    assert [round(ms) for ms in times.scan_to_suggestions] == [150]


def test_a_scan_overtaken_by_the_next_lasts_until_the_newer_suggestions() -> None:
    times = KioskTimes()
    watch = KioskWatch(times)
    watch.scanned("b-1", 1, 10.0)
    watch.scanned("b-1", 2, 10.2)
    watch.hear(said(10.3, lines=2, basket_version=2, decided_for=2, decision_id="d-2"))
    assert [round(ms) for ms in times.scan_to_suggestions] == [300, 100]


def test_a_decision_that_appears_behind_a_newer_basket_is_late() -> None:
    late = watched(said(basket_version=2, lines=2), said(basket_version=2, lines=2, decided_for=1, decision_id="d-1"))
    assert (late.suggestions_painted, late.late_painted) == (1, 1)


def test_a_decision_that_stays_until_the_next_one_comes_is_not_late() -> None:
    fine = watched(
        said(decided_for=1, decision_id="d-1"),
        said(basket_version=2, lines=2, decided_for=1, decision_id="d-1"),
        said(basket_version=2, lines=2, decided_for=2, decision_id="d-2"),
    )
    assert (fine.suggestions_painted, fine.late_painted) == (2, 0)


def test_versions_that_begin_again_belong_to_an_agent_that_was_restarted() -> None:
    fine = watched(
        said(basket_version=900, decided_for=900, decision_id="d-1"),
        said(basket_version=3, decided_for=None, decision_id="d-1"),
        said(basket_version=3, decided_for=3, decision_id="d-2"),
    )
    assert fine.late_painted == 0


def test_taps_and_their_ends_are_counted() -> None:
    ended = [
        {"request_id": "r-1", "sku": "4", "state": "done", "ms": 120.5},
        {"request_id": "r-2", "sku": "5", "state": "refused", "ms": 90.0},
    ]
    times = watched(said(tap_to_paint_ms=31.5, card="pending"), said(ended=ended))
    assert (times.tap_to_paint, times.accept_to_till) == ([31.5], [120.5, 90.0])
    assert (times.added, times.refused) == (1, 1)


def test_a_tap_kept_while_the_agent_was_down_says_nothing_of_the_till() -> None:
    ended = [{"request_id": "r-1", "sku": "4", "state": "done", "ms": 4_000.0}]
    assert watched(said(card="kept"), said(ended=ended)).accept_to_till == []


def test_cards_are_settled_until_the_next_picture() -> None:
    watch = KioskWatch(KioskTimes())
    watch.hear(said())
    watch.hear(Said(settled=True))
    assert watch.settled
    watch.hear(said(lines=2))
    assert not watch.settled
