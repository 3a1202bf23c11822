"""`storeforward bench day`: a store day goes through beside decisions and kiosks, and what was not kept is told."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest

from sim.bench.seed_day import SeedDay, show_seed_day
from sim.demo.advice import AdviceFigures
from sim.demo.pace import events_per_s_max
from sim.demo.percentile import spread
from tests.sim.demo_samples import SUMMARY, samples

TIMES = ("decision", "tap_to_paint", "scan_to_suggestions", "accept_to_till", "cloud_to_kiosk")
FAST = AdviceFigures(
    kiosks=2,
    decisions=100,
    decision_ms_p95=9.0,
    tap_to_paint_ms_p95=60.0,
    scan_to_suggestions_ms_p95=180.0,
    accept_to_till_ms_p95=200.0,
    cloud_to_kiosk_ms_p95=300.0,
    latencies_ms={name: spread([1.0, 2.0, 9.0]) for name in TIMES},
)
GOOD = SeedDay(replace(SUMMARY, advice=FAST), events_asked=20_000)
needs_kivy = pytest.mark.skipif(find_spec("kivy") is None, reason="the kiosk extra is not installed")


def play(*options: str, timeout_s: float) -> dict[str, Any]:  # Any: JSON
    command = [sys.executable, "-m", "agent", "bench", "day", "--json", *options]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    assert told.stdout, told.stderr
    figures: dict[str, Any] = json.loads(told.stdout)  # Any: JSON
    assert told.returncode == (0 if figures["ok"] else 1)
    return figures


@needs_kivy
def test_a_small_day_goes_through_whole_beside_decisions_and_kiosks() -> None:
    """What its speed is on a machine that does other work, too, is for the large one to say."""
    figures = play("--events", "4000", "--duration", "20", timeout_s=110)
    slow = {name for name, kept in figures["checks"].items() if not kept}
    assert all("within its target" in name or "deadline" in name for name in slow)
    assert figures["events"] >= 4_000
    assert figures["bytes"] >= 2_000_000
    assert figures["kiosks"] == 2
    assert figures["decisions"] > 0
    assert [figures[name] for name in ("shed", "quarantined", "missing", "duplicates", "conflicts")] == [0] * 5
    assert figures["latencies_ms"].keys() == set(TIMES)


@pytest.mark.soak
@pytest.mark.timeout(900)
@needs_kivy
def test_the_seed_day_keeps_every_promise() -> None:
    figures = play(timeout_s=850)
    assert figures["ok"], [name for name, kept in figures["checks"].items() if not kept]
    assert figures["events"] >= 150_000
    assert figures["bytes"] >= 75_000_000
    assert figures["events_per_s_max"] >= 150


@pytest.mark.parametrize(
    ("day", "broken"),
    [
        (replace(GOOD, events_asked=30_000), "the whole volume went through"),
        (replace(GOOD, summary=replace(GOOD.summary, event_bytes=9_000_000)), "the whole volume went through"),
        (replace(GOOD, summary=replace(GOOD.summary, events_per_s_max=19.0)), "the busiest second had as many"),
        (replace(GOOD, summary=replace(GOOD.summary, shed=1)), "nothing was shed"),
        (replace(GOOD, summary=replace(GOOD.summary, quarantined=1)), "nothing was quarantined"),
        (replace(GOOD, summary=replace(GOOD.summary, agent_rss_max_mb=131.0)), "the agent stayed below 130 MB"),
        (replace(GOOD, summary=replace(GOOD.summary, agent_rss_max_mb=None)), "the agent stayed below 130 MB"),
        (replace(GOOD, summary=replace(GOOD.summary, advice=replace(FAST, decisions_late=1))), "no decision missed"),
        (replace(GOOD, summary=replace(GOOD.summary, advice=replace(FAST, decisions=0))), "no decision missed"),
        (replace(GOOD, summary=replace(GOOD.summary, advice=replace(FAST, decision_ms_p95=11.0))), "decision_ms_p95"),
        (replace(GOOD, summary=replace(GOOD.summary, advice=replace(FAST, tap_to_paint_ms_p95=None))), "tap_to_paint"),
        (replace(GOOD, summary=replace(GOOD.summary, invariants={"nothing is missing": False})), "nothing is missing"),
    ],
)
def test_each_promise_can_fail_and_is_named(day: SeedDay, broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert GOOD.held
    (name,) = [name for name, kept in day.checks.items() if not kept]
    assert name.startswith(broken)
    show_seed_day(day)
    assert f"Not kept: {name}" in " ".join(capsys.readouterr().out.split())


def test_the_busiest_second_is_any_second_of_the_samples() -> None:
    assert events_per_s_max(samples()) == pytest.approx(120)
    assert events_per_s_max(samples()[:2]) == 0
    assert events_per_s_max([]) == 0


def test_a_spread_is_median_95th_and_maximum() -> None:
    assert spread([]) is None
    assert spread(range(1, 101)) == {"p50": 51, "p95": 96, "max": 100}
