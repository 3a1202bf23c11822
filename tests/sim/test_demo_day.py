"""Whole store days, small ones: real broker, network, twin and agent, ended by the same reckoning as the big day."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from sim.demo.command import DemoOptions, run_demo
from sim.store.source import SourceOptions
from tests.sim.small_day import write_small_day

DURATION_S = 12.0
NAMED_BY_THE_ISSUE = {
    "data_source", "events_accepted", "events_delivered", "missing", "duplicates", "conflicts", "outage_s",
    "append_ms_p99", "event_to_cloud_ms_p50", "wall_s", "invariants",
}  # fmt: skip


def options(out: Path, source: SourceOptions, *, broker: str = "iotcore", kill_agent: bool = False) -> DemoOptions:
    return DemoOptions(
        source=source,
        seed=1,
        duration_s=DURATION_S,
        speed=None,
        out=out,
        broker=broker,
        outage_s=5.0,
        kill_agent=kill_agent,
        headless=True,
        as_json=True,
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


@pytest.mark.parametrize("broker", ["iotcore", "mosquitto"])
async def test_an_agent_killed_in_mid_sale_loses_and_doubles_nothing(
    tmp_path: Path, broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = SourceOptions(data_file=write_small_day(tmp_path / "sales.csv"))
    assert await run_demo(options(tmp_path / "report", source, broker=broker, kill_agent=True))
    summary = json.loads(capsys.readouterr().out)
    assert (summary["missing"], summary["duplicates"], summary["conflicts"]) == (0, 0, 0)
    assert summary["events_accepted"] > 300


async def test_without_sales_data_a_seeded_day_is_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = SourceOptions(dataset_folder=None, baskets=20)
    assert await run_demo(options(tmp_path / "report", source))
    summary = json.loads(capsys.readouterr().out)
    assert "generator" in summary["data_source"]
    assert summary["missing"] == summary["duplicates"] == summary["conflicts"] == 0


def counted(file: Path, table: str) -> int:
    with closing(connect(file)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
