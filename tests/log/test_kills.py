"""SIGKILL at random moments: what was acknowledged is there once, in order, and nothing is there twice."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from agent.event_types import Stream
from agent.log import CLOUD
from tests.log.world import inline_log, raw, stored_rows

KILLS: Final = 25


@pytest.mark.case("S2")
@pytest.mark.parametrize("seed", [20260302])
def test_a_killed_agent_loses_no_acknowledged_event_and_leaves_no_duplicate_and_no_gap(
    tmp_path: Path, seed: int
) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "tests.log.killed_agent", tmp_path, str(KILLS), str(seed)],
        capture_output=True, text=True, check=True, timeout=110,
    )  # fmt: skip
    told = json.loads(child.stdout)
    acknowledged = {
        event_id: (stream, sequence) for call in told["answered"].values() for stream, sequence, event_id in call
    }
    in_doubt = {event_id for call in told["unanswered"].values() for _, event_id in call}
    with inline_log(tmp_path) as log, raw(log) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = stored_rows(log)
        cursor = log.cursor(CLOUD, Stream.SALES).sequence
        assert told["cursor"] <= cursor <= log.head(Stream.SALES).sequence
    stored = {event_id: (stream, sequence) for stream, _, sequence, event_id in rows}
    assert len(stored) == len(rows), "an id is there twice"
    assert {event_id: stored.get(event_id) for event_id in acknowledged} == acknowledged
    assert stored.keys() - acknowledged.keys() <= in_doubt
    for stream, count in Counter(row[0] for row in rows).items():
        assert [row[2] for row in rows if row[0] == stream] == list(range(1, count + 1))
    assert len(acknowledged) > KILLS
