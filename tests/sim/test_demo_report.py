"""The report folder: what is in it, that its instructions work, and that nobody else's files are ever touched."""

import csv
import json
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from agent.clock import IdFactory, SystemClock
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import START, EventLog
from agent.settings import LogSettings
from agent.topics import Channel, DeviceName, parse_topic
from sim.cloud import Ledger
from sim.demo.report import ReportFolder, ReportFolderRefused, ReportFolderUnusable
from sim.demo.report_readme import README
from tests.examples import EXAMPLES
from tests.sim.demo_samples import DAY, SUMMARY, samples

REPORT = {"README.txt", "log-depth.png", "log-depth.svg", "samples.csv", "summary.json", "terminal.svg"}
DEVICE = DeviceName("store-1", "box-1")
TYPES = ("pos.scan.v1", "pos.scan.v1", "pos.sale.v1", "environment.v1", "stock.counted.v1")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_report_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "somewhere" / "demo-report"
    with ReportFolder.open(out) as folder:
        assert names(out) == {"README.txt"}
        folder.write(DAY, SUMMARY, samples())
    assert names(out) == REPORT
    assert json.loads((out / "summary.json").read_text()) == json.loads(SUMMARY.to_json())
    assert (out / "log-depth.png").read_bytes().startswith(b"\x89PNG")
    assert "network cut on purpose" in (out / "terminal.svg").read_text().replace("&#160;", " ")


def test_every_file_of_the_report_is_explained(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path / "out") as folder:
        for name in {*REPORT, f"{folder.data.name}/", folder.ledger.relative_to(folder.out).as_posix()} - {
            "README.txt"
        }:
            assert name in README


def test_the_samples_are_a_table_with_one_row_each(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path / "out") as folder:
        folder.write(DAY, SUMMARY, samples())
    with (tmp_path / "out" / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(samples())
    row, sample = rows[30], samples()[30]
    assert (row["at_s"], row["link"], row["phase"]) == ("15.000", "cut", "selling")
    assert int(row["waiting"]) == sample.waiting == 660
    assert int(row["sales_accepted"]) == sample.accepted // 6
    assert int(row["sensor_delivered"]) == 0
    assert int(row["captured_voice"]) == sample.accepted // 6
    assert row["append_ms_p99"] == "7.500"
    assert row["event_to_cloud_ms_p50"] == ""


def test_a_demo_that_ended_at_once_has_figures_and_no_pictures(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path / "out") as folder:
        folder.write(DAY, SUMMARY, [])
    assert names(tmp_path / "out") == {"README.txt", "samples.csv", "summary.json"}


def test_a_demo_without_a_cut_has_a_picture_of_its_middle(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path / "out") as folder:
        folder.write(DAY, SUMMARY, samples(cut=False))
    assert "shop clock" in (tmp_path / "out" / "terminal.svg").read_text().replace("&#160;", " ")


def test_the_next_demo_replaces_the_report_and_nothing_else(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path) as folder:
        (folder.data / "log").mkdir(parents=True)
        (folder.data / "log" / "events.sqlite").write_text("old")
        folder.ledger.parent.mkdir()
        folder.ledger.write_text("old")
        (tmp_path / "agent.log").write_text("old")
        folder.write(DAY, SUMMARY, samples())
    (tmp_path / "my notes.txt").write_text("mine")
    (tmp_path / "mine").mkdir()
    with ReportFolder.open(tmp_path):
        assert names(tmp_path) == {"README.txt", "my notes.txt", "mine"}


def test_a_demo_that_was_interrupted_leaves_a_folder_for_the_next(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path) as folder:
        folder.data.mkdir()
        (tmp_path / ".summary.json.part").write_text("{")
    with ReportFolder.open(tmp_path):
        assert names(tmp_path) == {"README.txt"}


@pytest.mark.parametrize("name", ["notes.txt", "summary.json", "README.txt", "data"])
def test_a_folder_with_anything_foreign_is_refused_untouched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ReportFolderRefused, match="--out"):
        ReportFolder.open(tmp_path)
    assert names(tmp_path) == {name}
    assert (tmp_path / name).read_text() == "mine"


def test_a_link_in_the_place_of_a_folder_goes_and_what_it_shows_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("mine")
    with ReportFolder.open(tmp_path / "out"):
        pass
    (tmp_path / "out" / "data").symlink_to(tmp_path / "elsewhere")
    with ReportFolder.open(tmp_path / "out"):
        assert names(tmp_path / "out") == {"README.txt"}
    assert (tmp_path / "elsewhere" / "file").read_text() == "mine"


def test_two_demos_never_share_a_folder(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path) as folder:
        folder.data.mkdir()
        with pytest.raises(ReportFolderRefused, match="in use by another demo"):
            ReportFolder.open(tmp_path)
        assert folder.data.exists()
    with ReportFolder.open(tmp_path):
        pass


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ReportFolderUnusable, match="out: File exists"):
        ReportFolder.open(tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReportFolderUnusable, match="--out"):
        ReportFolder.open(tmp_path / ("x" * 300))


def test_a_disk_that_refuses_leaves_no_summary(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path) as folder:
        (tmp_path / ".samples.csv.part").mkdir()
        with pytest.raises(ReportFolderUnusable):
            folder.write(DAY, SUMMARY, samples())
    assert "summary.json" not in names(tmp_path)


def test_a_failed_demo_is_reported_like_any_other(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path) as folder:
        folder.write(DAY, replace(SUMMARY, missing=3, invariants={"nothing_missing": False}), samples())
    assert json.loads((tmp_path / "summary.json").read_text())["ok"] is False


def play(folder: ReportFolder, *, lost: int = 0) -> None:
    """A log of a few hundred events and a ledger that got all but the last `lost` of each stream."""
    clock = SystemClock()
    new_id = IdFactory(clock.wall, Random(1))
    decoder = EventDecoder(Origin(DEVICE), wall=clock.wall, new_id=new_id)
    folder.ledger.parent.mkdir()
    log = EventLog.open_inline(folder.data / "log", LogSettings(), clock=clock, new_id=new_id)
    with closing(Ledger.open(folder.ledger, clock)) as ledger:
        for number in range(200):
            name = TYPES[number % len(TYPES)]
            body = json.dumps({"type": name, "data": EXAMPLES[name]}).encode()
            log.append_now(decoder.decode(body, "till-1"))
        for stream in Stream:
            events = log.read(stream, START, events_max=1_000, bytes_max=10_000_000)
            sent = [event.body for event in events[: len(events) - lost]]
            if sent:
                topic = parse_topic(DEVICE.topic(Channel.EVENTS, stream))
                ledger.accept(topic, b"[" + b",".join(sent) + b"]")
    log.close_now()


def commands(readme: str) -> Iterable[tuple[str, str]]:
    """The file and the SQL of each command line, in order."""
    for line in readme.splitlines():
        words = shlex.split(line) if line.strip().startswith("sqlite3 ") else []
        if words:
            yield words[1], words[2]


def count(out: Path) -> list[list[tuple[object, ...]]]:
    """What each command of a report's README.txt answers."""
    answers: list[list[tuple[object, ...]]] = []
    here = Path.cwd()
    os.chdir(out)
    try:
        for file, sql in commands((out / "README.txt").read_text()):
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                *before, last = sql.split("; ")
                for statement in before:
                    database.execute(statement)
                answers.append(database.execute(last).fetchall())
    finally:
        os.chdir(here)
    return answers


def test_the_commands_of_the_readme_count_both_sides(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path) as folder:
        play(folder)
    in_log, in_ledger, missing, duplicate, odd, money = count(tmp_path)
    assert in_log == in_ledger == [("sales", 120), ("sensor", 40), ("stock", 40)]
    assert (missing, duplicate, odd) == ([(0,)], [(0,)], [(0, 0)])
    assert money == [("EUR", 40, "154.40")]


def test_the_commands_of_the_readme_find_what_is_missing(tmp_path: Path) -> None:
    with ReportFolder.open(tmp_path) as folder:
        play(folder, lost=2)
    answers = count(tmp_path)
    assert answers[1] == [("sales", 118), ("sensor", 38), ("stock", 38)]
    assert answers[2] == [(6,)]


def test_a_running_demo_carries_no_plotting_library() -> None:
    program = (
        "import sys, sim.demo.report, sim.demo.view, sim.demo.ending;"
        "print([name for name in ('matplotlib', 'numpy') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"
