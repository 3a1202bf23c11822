"""Whole store days, small ones: real broker, network, twin and agent, ended by the same reckoning as the big day."""

import json
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from sqlite3 import connect
from typing import Any

import click
import pytest

from agent.cli.demo import demo
from sim.demo import kiosks
from sim.demo.album import PICTURES
from sim.demo.command import DemoOptions, run_demo
from sim.firmware import products
from sim.network import PROFILES
from sim.store.source import SourceOptions
from tests.sim.small_day import write_small_day

DURATION_S = 12.0
KIOSK_CHECKS = {"no tap at a kiosk was lost", "late suggestions were never shown"}
VEHICLE_CHECKS = {
    "every errand was done, or it is told why not",
    "the vehicles picked and dropped once what the shop calls done",
    "no vehicle moved while it was stopped",
}
needs_kivy = pytest.mark.skipif(find_spec("kivy") is None, reason="the kiosk extra is not installed")
NAMED_BY_THE_ISSUE = {
    "data_source", "events_accepted", "events_delivered", "missing", "duplicates", "conflicts", "outage_s",
    "append_ms_p99", "event_to_cloud_ms_p50", "wall_s", "invariants",
}  # fmt: skip


def options(
    out: Path,
    source: SourceOptions,
    *,
    broker: str = "iotcore",
    kill_agent: bool = False,
    network: str | None = None,
    duration_s: float = DURATION_S,
) -> DemoOptions:
    return DemoOptions(
        source=source,
        seed=1,
        duration_s=duration_s,
        speed=None,
        out=out,
        broker=broker,
        outage_s=5.0,
        kill_agent=kill_agent,
        headless=True,
        as_json=True,
        network=network,
        sensor_events_per_hour=20,
    )


def test_a_csv_file_is_played_and_the_command_prints_one_object(tmp_path: Path) -> None:
    sales = write_small_day(tmp_path / "sales.csv")
    out = tmp_path / "report"
    command = [sys.executable, "-m", "agent", "demo", "--headless", "--json", "--data", str(sales), "--out", str(out)]
    done = subprocess.run([*command, "--duration", str(DURATION_S)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout)
    assert summary.keys() >= NAMED_BY_THE_ISSUE
    assert "sales.csv" in summary["data_source"]
    assert (summary["missing"], summary["duplicates"], summary["conflicts"]) == (0, 0, 0)
    assert summary["events_delivered"] == summary["events_accepted"] > 300
    assert summary["outage_s"] >= 5.0
    assert summary["event_to_cloud_ms_p50"] < 1_000
    assert all(summary["invariants"].values())
    assert json.loads((out / "summary.json").read_text()) == summary
    assert counted(out / "data/log/events.sqlite", "event") == summary["events_accepted"]
    assert counted(out / "cloud/ledger.sqlite", "events") == summary["events_accepted"]


@needs_kivy
async def test_staff_tap_at_two_kiosks_on_a_day_that_follows_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    assert await run_demo(options(out, SourceOptions(dataset_folder=None, baskets=150), duration_s=20.0))
    told = capsys.readouterr()
    summary = json.loads(told.out)
    assert "learns from 7 generated days" in told.err
    assert (summary["kiosks"], summary["kiosk_absence"]) == (2, "")
    assert summary["decisions"] >= 5
    assert summary["decision_ms_p95"] > 0 < summary["scan_to_suggestions_ms_p95"]
    assert summary["invariants"].keys() >= KIOSK_CHECKS
    assert any((out / name).read_bytes().startswith(b"\x89PNG") for name in PICTURES if (out / name).exists())
    assert not (out / "data" / "history.csv").exists()
    check_vehicles(summary)
    assert summary["agv_stops"] >= 1
    assert summary["stop_ms_max"] > 0 < summary["agv_stop_command_ms"]
    assert (summary["agv_kiosk_stops"] > 0) == (out / "kiosk-stopped.png").exists()
    assert summary["invariants"]["a stopped vehicle stood until a person released it"]
    assert (out / "vehicles" / "agv-1" / "truth.jsonl").read_text().count('"what": "pick"') >= 1


async def test_without_sales_data_without_kivy_and_without_a_compiler_a_seeded_day_is_played_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kiosks, "find_spec", lambda _: None)
    monkeypatch.setattr(products, "_build_folder", lambda: tmp_path / "nothing built yet")
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "report"
    assert await run_demo(options(out, SourceOptions(dataset_folder=None, baskets=20)))
    told = capsys.readouterr()
    summary = json.loads(told.out)
    assert "The tills have no kiosks" in told.err
    assert "generator" in summary["data_source"]
    assert summary["missing"] == summary["duplicates"] == summary["conflicts"] == 0
    assert (summary["kiosks"], summary["decisions"], summary["tap_to_paint_ms_p95"]) == (0, 0, None)
    assert not summary["invariants"].keys() & (KIOSK_CHECKS | VEHICLE_CHECKS)
    assert "The shop has no vehicles, for their firmware cannot be built: no C compiler 'cc'" in told.err
    assert (summary["vehicles"], summary["agv_orders_done"], summary["stop_ms_max"]) == (0, 0, None)
    assert not (out / "vehicles").exists()


def test_the_networks_to_choose_are_those_that_the_demo_does_not_have_to_cut_itself() -> None:
    (choice,) = (option.type for option in demo.params if option.name == "network")
    assert isinstance(choice, click.Choice)
    assert set(choice.choices) == {name for name, profile in PROFILES.items() if not profile.phases}


@pytest.mark.parametrize(("broker", "network"), [("iotcore", "satellite"), ("mosquitto", None)])
async def test_an_agent_killed_in_mid_sale_loses_and_doubles_nothing(
    tmp_path: Path, broker: str, network: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    source = SourceOptions(data_file=write_small_day(tmp_path / "sales.csv"))
    assert await run_demo(options(tmp_path / "report", source, broker=broker, kill_agent=True, network=network))
    summary = json.loads(capsys.readouterr().out)
    assert (summary["missing"], summary["duplicates"], summary["conflicts"]) == (0, 0, 0)
    assert summary["events_accepted"] > 300
    check_vehicles(summary)
    if not network:  # else its orders may not have come yet
        assert summary["agv_lease_stops"] >= 1  # when the agent was killed
    assert (summary["event_to_cloud_ms_p50"] > 300) == (network == "satellite")


def check_vehicles(summary: dict[str, Any]) -> None:  # Any: JSON
    """Two vehicles did something, each pick and drop once, and everything that they promise was checked."""
    assert (summary["vehicles"], summary["vehicle_absence"]) == (2, "")
    assert summary["agv_orders_done"] >= 1
    assert summary["physical_picks_equal_actions"] is True
    assert summary["physical_picks"] >= summary["agv_orders_done"]
    assert summary["invariants"].keys() >= VEHICLE_CHECKS


def counted(file: Path, table: str) -> int:
    with closing(connect(file)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
