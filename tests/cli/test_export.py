"""`storeforward export`: a file that is whole or not there, and honest about what it lacks."""

import csv
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from agent.event_types import Stream
from tests.cli.command import invoke, run_on_terminal, run_unprivileged, start
from tests.cli.scanned import scanned
from tests.log.damage import flip_body, overwrite_leaf
from tests.log.world import NOON, SetClock, event, events, inline_log
from tests.open_folder import open_folder

Rows = list[dict[str, Any]]  # Any: of any column


def read_jsonl(file: Path) -> Rows:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def read_csv(file: Path) -> Rows:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def read_sqlite(file: Path) -> Rows:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM event ORDER BY stream, epoch, sequence")]


def read_parquet(file: Path) -> Rows:
    rows: Rows = pyarrow.parquet.read_table(file).to_pylist()
    return rows


READ: dict[str, Callable[[Path], Rows]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "sqlite": read_sqlite,
    "parquet": read_parquet,
}
KINDS = pytest.mark.parametrize("kind", READ)


def fill(data: Path, *, sales: int = 3, stock: int = 0) -> Path:
    with inline_log(data / "log") as log:
        for at in range(0, sales, 1_000):
            log.append_now(events(min(1_000, sales - at), f"e{at}" if at else "e"))
        log.append_now(events(stock, "s", stream=Stream.STOCK))
    return data


@KINDS
def test_every_kind_has_all_events_in_order(tmp_path: Path, kind: str) -> None:
    fill(tmp_path, sales=3, stock=2)
    out = tmp_path / f"day.{kind}"
    result = invoke("export", kind, "--out", out, "--data", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"5 events in {out} ({out.stat().st_size:,} bytes).\n"
    rows = READ[kind](out)
    assert [row["id"] for row in rows] == ["e-1", "e-2", "e-3", "s-1", "s-2"]
    assert {row["type"] for row in rows} == {"dev.storeforward.pos.void.v1", "dev.storeforward.stock.level.v1"}
    assert [int(row["sequence"]) for row in rows] == [1, 2, 3, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, "log"]


@KINDS
def test_an_empty_choice_is_an_empty_file_with_its_columns(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "none"
    assert invoke("export", kind, "--out", out, "--data", fill(tmp_path), "--type", "stock.*").exit_code == 0
    assert READ[kind](out) == []


def test_json_lines_are_the_stored_events_byte_for_byte(tmp_path: Path) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now([event("a"), event("b")])
        stored = [
            each.body for each in log.read(Stream.SALES, log.cursor("", Stream.SALES), events_max=9, bytes_max=9999)
        ]
    invoke("export", "jsonl", "--out", tmp_path / "out", "--data", tmp_path)
    assert (tmp_path / "out").read_bytes() == b"\n".join([*stored, b""])


def test_parquet_has_times_and_numbers(tmp_path: Path) -> None:
    invoke("export", "parquet", "--out", tmp_path / "out", "--data", fill(tmp_path))
    row = read_parquet(tmp_path / "out")[0]
    assert row["recorded_time"] == NOON
    assert json.loads(row["data"]) == {"till_id": "till-1", "basket_id": "b-1", "line": 1}


@pytest.mark.case("D7")
@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)"])
def test_d7_no_cell_of_a_csv_begins_like_a_formula(tmp_path: Path, text: str) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now([scanned("apples", event_id=text), scanned(text, event_id="e-2")])
    invoke("export", "csv", "--out", tmp_path / "out", "--data", tmp_path)
    rows = read_csv(tmp_path / "out")
    assert rows[0]["id"] == f"'{text}"
    assert json.loads(rows[1]["data"])["description"] == text
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())


def test_stream_type_and_time_choose_events(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path / "log", clock) as log:
        for name in ("a", "b", "c"):
            log.append_now([*events(1, name), *events(1, f"{name}s", stream=Stream.STOCK)])
            clock.move(hours=1)
    hour = ["--from", (NOON + timedelta(hours=1)).isoformat(), "--to", (NOON + timedelta(hours=2)).isoformat()]
    for options, expected in (
        (hour, ["b-1", "bs-1"]),
        ([*hour, "--stream", "stock"], ["bs-1"]),
        (["--type", "pos.void"], ["a-1", "b-1", "c-1"]),
        (["--to", "2026-03-02T12:00:00"], []),
    ):
        invoke("export", "jsonl", "--force", "--out", tmp_path / "out", "--data", tmp_path, *options)
        assert [row["id"] for row in read_jsonl(tmp_path / "out")] == expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["xml", "--out", "x"], "'xml' is not one of"),
        (["csv"], "Missing option '--out'"),
        (["csv", "--out", "x", "--from", "2026-03-02", "--to", "2026-03-01"], "--from has to be before --to"),
        (["csv", "--out", "x", "--stream", "sale"], "'sale' is not one of"),
    ],
)
def test_wrong_usage_has_exit_code_2(arguments: list[str], says: str) -> None:
    result = invoke("export", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    fill(tmp_path)
    out = tmp_path / "out"
    out.write_text("mine")
    refused = invoke("export", "csv", "--out", out, "--data", tmp_path)
    assert refused.exit_code == 1
    assert f"{out} is there already: choose another name, or --force to replace it" in refused.stderr
    assert out.read_text() == "mine"
    assert invoke("export", "csv", "--force", "--out", out, "--data", tmp_path).exit_code == 0
    assert len(read_csv(out)) == 3


@pytest.mark.parametrize(
    ("out", "says"), [("", "is a folder: name a file in it"), ("nowhere/out", "No such file or directory")]
)
@KINDS
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, kind: str, out: str, says: str) -> None:
    result = invoke("export", kind, "--out", tmp_path / out, "--data", fill(tmp_path))
    assert result.exit_code == 1
    assert says in result.stderr or "unable to open database file" in result.stderr
    assert "Traceback" not in result.stderr


@KINDS
def test_a_full_disk_leaves_no_file(tmp_path: Path, kind: str) -> None:
    fill(tmp_path, sales=3_000)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, 8_192))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    out = tmp_path / "out"
    command = [sys.executable, "-m", "agent", "export", kind, "--out", str(out), "--data", str(tmp_path)]
    done = subprocess.run(command, preexec_fn=small_files, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot write")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_damaged_events_are_left_out_counted_and_told(tmp_path: Path) -> None:
    fill(tmp_path)
    flip_body(tmp_path / "log" / "events.sqlite", "e-2")
    out = tmp_path / "out"
    result = invoke("export", "jsonl", "--out", out, "--data", tmp_path)
    assert result.exit_code == 1
    assert "1 events are left out: their bytes on the disk no longer match their checksum" in result.stderr
    assert [row["id"] for row in read_jsonl(out)] == ["e-1", "e-3"]
    told = json.loads(invoke("export", "jsonl", "--json", "--force", "--out", out, "--data", tmp_path).stdout)
    assert (told["events"], told["damaged"], told["unreadable"], told["complete"]) == (2, 1, [], False)


def test_around_a_damaged_page_everything_else_is_exported(tmp_path: Path) -> None:
    fill(tmp_path, sales=200, stock=5)
    overwrite_leaf(tmp_path / "log" / "events.sqlite", b'"e-100"')
    result = invoke("export", "jsonl", "--json", "--out", tmp_path / "out", "--data", tmp_path)
    told = json.loads(result.stdout)
    assert (result.exit_code, told["complete"]) == (1, False)
    assert told["events"] + told["unreadable"][0]["events"] == 205
    assert told["events"] > 185


def test_what_is_appended_meanwhile_waits_for_the_next_export(tmp_path: Path) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(5))
        told = json.loads(invoke("export", "csv", "--json", "--out", tmp_path / "out", "--data", tmp_path).stdout)
        assert told["events"] == 5
        log.append_now(events(1, "late"))


def test_no_log_no_file(tmp_path: Path) -> None:
    result = invoke("export", "csv", "--out", tmp_path / "out", "--data", tmp_path)
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
    assert not (tmp_path / "out").exists()


def test_interrupted_it_leaves_nothing(tmp_path: Path) -> None:
    fill(tmp_path, sales=20_000)
    export = start("export", "sqlite", "--out", tmp_path / "out", "--data", tmp_path)
    while not list(tmp_path.glob(".out.*")):
        assert export.poll() is None
    export.send_signal(signal.SIGINT)
    _, told = export.communicate(timeout=30)
    assert export.returncode == 1
    assert "Aborted!" in told
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_parquet_without_its_package_says_which_extra_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # how Python marks an absent module
    result = invoke("export", "parquet", "--out", tmp_path / "out", "--data", fill(tmp_path))
    assert result.exit_code == 1
    assert "pip install 'storeforward[parquet]'" in result.stderr


def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path: Path) -> None:
    fill(tmp_path, sales=3_000)
    code, shown = run_on_terminal("export", "csv", "--out", tmp_path / "out", "--data", tmp_path)
    assert code == 0
    assert "exporting" in shown
    assert "3,000 events" in shown


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop to another user")
def test_a_folder_that_may_not_be_written_is_told() -> None:
    with open_folder() as folder:
        fill(folder)
        (folder / "log").chmod(0o755)
        done = run_unprivileged("export", "csv", "--out", folder / "out", "--data", folder)
    assert done.returncode == 1
    assert f"cannot write {folder}/out: Permission denied" in done.stderr


def test_memory_does_not_grow_with_the_number_of_events(tmp_path: Path) -> None:
    """The peaks of 2,000 and of 40,000 events, each in a process of its own."""
    program = (
        "import resource, sys\nfrom agent.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak_kb(data: Path) -> int:
        arguments = ["export", "jsonl", "--out", str(data / "out"), "--data", str(data)]
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    few, many = fill(tmp_path / "few", sales=2_000), fill(tmp_path / "many", sales=40_000)
    assert peak_kb(many) < peak_kb(few) + 10_000
