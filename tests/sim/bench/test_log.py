"""`storeforward bench log`: every figure of the log is there, beside its ceiling. What they are is not asserted."""

import json
import subprocess
import sys
from pathlib import Path

from agent.clock import SystemClock
from sim.bench.figure import paired
from sim.bench.log_ceilings import bare_rows, stored_rows
from sim.bench.log_work import EventMaker, append_all, random_ids

NAMES = [
    "append_batch",
    "append_batch_same_schema",
    "append_batch_random_ids",
    "append_single",
    "http_ingest",
    "bytes_written_per_event",
    "bytes_written_per_event_random_ids",
    "ready_backlog",
    "rss_backlog",
    "rss_backlog_no_decisions",
]


def test_a_program_gets_every_figure_beside_its_ceiling() -> None:
    command = [sys.executable, "-m", "agent", "bench", "log", "--events", "1000", "--pairs", "1", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110)
    figures = json.loads(answer.stdout)
    assert [figure["name"] for figure in figures] == NAMES
    assert {tuple(figure) for figure in figures} == {("name", "value", "unit", "ceiling", "ratio", "note")}
    measured = [figure for figure in figures if not figure["note"].startswith("NOT ON A DISK")]
    assert all(figure["value"] > 0 and figure["ceiling"] > 0 and figure["ratio"] > 0 for figure in measured)
    assert all("ceiling: " in figure["note"] for figure in figures)
    assert answer.stderr == ""  # no bar where nobody watches


def test_the_ratio_of_pairs_is_the_median_of_their_ratios() -> None:
    figure = paired("append", "events/s", [(10, 100), (20, 40), (90, 100)], "ceiling: bare")
    assert (figure.value, figure.ceiling, figure.ratio) == (20, 100, 0.5)
    assert "3 pairs, ratio 0.10 to 0.90" in figure.note


def test_a_ceiling_writes_the_very_rows_of_the_log_in_the_very_commits(tmp_path: Path) -> None:
    drafts = EventMaker(SystemClock(), random_ids(1)).drafts(1_000)
    run = append_all(tmp_path, drafts, SystemClock())
    commits = stored_rows(tmp_path / "events.sqlite", run.commits)
    sizes = [len(commit) for commit in run.commits]
    assert sum(sizes) == 1_000
    for part in ("INTO event_", "INTO identity_"):
        of_part = [sum(len(rows) for into, rows in commit.items() if part in into) for commit in commits]
        assert of_part == sizes
    bodies = [body for commit in bare_rows(commits) for rows in commit.values() for _, body in rows]
    assert sorted(json.loads(body)["id"] for body in bodies if isinstance(body, bytes)) == sorted(
        draft.id for draft in drafts
    )
