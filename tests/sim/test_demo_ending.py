"""The last page says in words whether all is well, and what to do next."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sim.demo.advice import AdviceFigures
from sim.demo.ending import ending, verdict
from sim.demo.missions import MissionFigures
from sim.demo.summary import DayCloseAnswer, Summary
from tests.sim.demo_samples import SUMMARY, failed


def page(summary: Summary, width: int = 80) -> str:
    paper = io.StringIO()
    Console(file=paper, width=width, highlight=False).print(ending(summary))
    return paper.getvalue()


def test_the_verdict_is_one_sentence() -> None:
    assert verdict(SUMMARY) == "28,713 events: 0 missing, 0 duplicate, 0 conflicts"


def test_what_was_declared_given_up_is_in_the_verdict() -> None:
    told = replace(SUMMARY, events_delivered=27_212, shed=1_500, quarantined=1)
    assert verdict(told).endswith(
        "0 missing, 0 duplicate, 0 conflicts, 1,500 shed (declared), 1 quarantined (declared)"
    )
    total = next(line.split() for line in page(told).splitlines() if line.strip().startswith("total"))
    assert total == ["total", "28,713", "27,212", "0", "0", "0", "✓", "rest", "declared"]


def test_a_good_demo_shows_the_verdict_the_streams_and_what_comes_next() -> None:
    text = page(SUMMARY)
    assert "✓ 28,713 events: 0 missing, 0 duplicate, 0 conflicts" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["sales", "28,000", "28,000", "0", "0", "0", "✓", "whole"] in rows
    assert ["total", "28,713", "28,713", "0", "0", "0", "✓", "whole"] in rows
    for words in ("✓ nothing missing", "✓ nothing counted twice", "3,012 baskets, 88,123.10 USD", "generator, seed 1"):
        assert words in text
    assert "cut for 8.0 s; 1,020 events waited; caught up after 0.5 s" in text
    assert "demo-report/log-depth.png" in text
    assert "✗" not in text


def test_a_failed_demo_says_what_failed_and_how_to_play_it_again() -> None:
    text = page(failed())
    assert "✗ 28,713 events: 3 missing, 0 duplicate, 0 conflicts" in text
    assert "1 of 2 checks failed" in text
    assert "✗ nothing missing (failed)" in text
    assert "✗ differs" in text
    assert 'make demo ARGS="--seed 7"' in text


def test_a_report_below_this_folder_is_named_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert "  demo-report/log-depth.png" in page(replace(SUMMARY, out=tmp_path / "demo-report"), 300)
    assert "  /elsewhere/log-depth.png" in page(replace(SUMMARY, out=Path("/elsewhere")), 300)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_any_terminal(width: int) -> None:
    assert all(len(line) <= width for line in page(SUMMARY, width).splitlines())


def test_what_was_not_measured_is_said_so() -> None:
    text = page(replace(SUMMARY, append_ms_p50=None, caught_up_s=None, day_close=DayCloseAnswer.UNANSWERED))
    assert "p50 not measured" in text
    assert "caught up" not in text
    assert "not yet answered" in text


def test_a_demo_without_a_cut_says_so() -> None:
    assert "never cut" in page(replace(SUMMARY, outage_s=0.0))


def test_a_demo_without_a_sale_names_no_money() -> None:
    lines = page(replace(SUMMARY, baskets=0, sales_total={})).splitlines()
    assert any(line.split() == ["sales", "0", "baskets"] for line in lines)


def test_each_time_of_the_kiosks_stands_beside_its_target() -> None:
    text = page(SUMMARY, 120)
    assert "2; 121 decisions, 14 accepted, 5 dismissed, 2 refused by the till" in text
    assert "p95 61.0 ms (target 100 ms)" in text
    assert "100 ms): over" not in text
    assert "p95 212.0 ms (target 200 ms): over the target" in text
    assert "p95 not measured (target 2,000 ms)" in text


def test_a_demo_without_kiosks_says_why() -> None:
    text = page(replace(SUMMARY, advice=AdviceFigures(kiosks=0), kiosk_absence="Kivy is not installed."))
    assert "Kivy is not installed." in text
    assert "target" not in text


def test_the_vehicles_errands_stops_and_ended_leases_are_told() -> None:
    text = page(SUMMARY, 120)
    assert "2; 7 errands done, 3 of 3 that kiosks asked for; 7 picks and 7 drops" in text
    assert "restock-8: the shop closed before it was done" in text
    assert "standstill after 5.2 ms from a touch at a kiosk (the command: 523.7 ms)" in text
    assert "5 by a person; 1 leases ended, 4 signs of life came late (at most 261 ms)" in text


def test_a_demo_without_vehicles_says_why() -> None:
    text = page(replace(SUMMARY, missions=MissionFigures(0), vehicle_absence="No C compiler."))
    assert "No C compiler." in text
    assert "standstill" not in text
