"""Figures of the advice, and the checks that only count where there are kiosks."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sim.demo import checks, kiosks
from sim.demo.advice import Advice, AdviceFigures, added_and_not_sold, figures_of
from sim.demo.kiosk_watch import KioskTimes
from sim.demo.kiosks import Kiosks
from tests.sim.demo_samples import SUMMARY

ISSUE_KEYS = {
    "decision_ms_p95", "tap_to_paint_ms_p95", "scan_to_suggestions_ms_p95", "accept_to_till_ms_p95", "decisions",
    "accepted", "cloud_to_kiosk_ms_p95",
}  # fmt: skip
NOTHING = Advice(AdviceFigures(kiosks=0), "no kiosks", 0, 0, 0, ())


def request(sku: str, kind: str = "add_item", outcome: str = "done") -> dict[str, str]:
    return {"basket_id": "b-1", "sku": sku, "kind": kind, "outcome": outcome}


def sale(*skus: str) -> dict[str, object]:
    return {"basket_id": "b-1", "items": [{"sku": sku} for sku in skus]}


def test_the_summary_has_the_figures_beside_the_others_and_their_targets() -> None:
    fields = json.loads(SUMMARY.to_json())
    assert fields.keys() >= ISSUE_KEYS
    assert fields["decision_ms_p95"] == 4.25
    assert fields["cloud_to_kiosk_ms_p95"] is None
    assert fields["targets_ms"]["cloud_to_kiosk_ms_p95"] == 2_000
    assert "advice" not in fields


def test_figures_come_from_the_cloud_and_the_kiosks() -> None:
    times = KioskTimes(tap_to_paint=[20.0, 40.0], cloud_to_kiosk=[700.0])
    events: dict[str, list[Any]] = {  # Any: JSON
        "kiosk.decision.v1": [{"took_ms": 3.0}, {"took_ms": 5.0}],
        "kiosk.accepted.v1": [{}],
        "kiosk.dismissed.v1": [],
        "kiosk.till_request.v1": [request("4"), request("5", outcome="refused")],
    }
    figures = figures_of(2, times, events)
    assert (figures.decisions, figures.accepted, figures.refused) == (2, 1, 1)
    assert (figures.decision_ms_p95, figures.tap_to_paint_ms_p95, figures.cloud_to_kiosk_ms_p95) == (5.0, 40.0, 700.0)
    assert figures.accept_to_till_ms_p95 is None


@pytest.mark.parametrize(
    ("requests", "missing"),
    [
        ([request("4")], ("b-1 4",)),
        ([request("1")], ()),
        ([request("4", outcome="refused")], ()),
        ([request("4"), request("4", "remove_item")], ()),
        ([request("4"), request("4", "remove_item"), request("4")], ("b-1 4",)),
    ],
)
def test_what_a_till_put_in_and_left_in_must_be_in_the_sale(
    requests: list[dict[str, str]], missing: tuple[str, ...]
) -> None:
    assert added_and_not_sold(requests, [sale("1", "2")]) == missing


def test_without_kiosks_their_checks_are_absent() -> None:
    assert checks.check_kiosks(NOTHING) == {}


def test_with_kiosks_each_of_their_promises_can_fail() -> None:
    figures = AdviceFigures(kiosks=2, accepted=1)
    assert all(checks.check_kiosks(replace(NOTHING, figures=figures, suggestions_painted=9)).values())
    broken = Advice(figures, "", suggestions_painted=9, late_painted=1, unsent_taps=1, not_sold=("b-1 4",))
    assert list(checks.check_kiosks(broken).values()) == [False, False, False]


def test_a_promise_about_suggestions_needs_suggestions() -> None:
    silent = replace(NOTHING, figures=AdviceFigures(kiosks=2))
    assert list(checks.check_kiosks(silent)) == ["no tap at a kiosk was lost"]


async def test_without_kivy_there_are_no_kiosks_and_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kiosks, "find_spec", lambda _: None)
    none = Kiosks(("till-11",), windows=False)
    await none.start(tmp_path / "x.toml", tmp_path, tmp_path / "kiosk.log")
    assert not none.running
    assert "pip install 'storeforward[kiosk]'" in none.absence


async def test_where_kiosks_cannot_start_there_are_none_and_a_sentence(tmp_path: Path) -> None:
    none = Kiosks(("till-11", "till-12"), windows=False)
    await none.start(tmp_path / "missing.toml", tmp_path, tmp_path / "kiosk.log")
    assert not none.running
    assert none.absence.startswith("The tills have no kiosks")
    await none.stop()
    assert none.exit_codes == []
