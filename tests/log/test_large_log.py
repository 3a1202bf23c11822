"""A backlog of any size costs neither time at the start nor memory (S12)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.event_types import Stream
from agent.log import CLOUD, Place
from tests.log.world import events, inline_log

pytestmark = pytest.mark.case("S12")

OPENED = """
import sys
from pathlib import Path
from tests.log.world import inline_log
def read_bytes():
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
with inline_log(Path(sys.argv[1]) / "none"): pass  # what the first opening of a process loads is loaded
before = read_bytes()
with inline_log(Path(sys.argv[1])) as log:
    print(read_bytes() - before)
"""
MORE_BYTES_MAX = 131_072
"""A tree of pages gets deeper, and that is all."""


def read_by_opening(folder: Path) -> int:
    done = subprocess.run([sys.executable, "-c", OPENED, folder], capture_output=True, check=True, timeout=120)
    return int(done.stdout)


def fill(folder: Path, count: int) -> None:
    with inline_log(folder) as log:
        for first in range(0, count, 1_000):
            log.append_now(events(1_000, f"e{first}"))


def test_s12_opening_a_large_log_reads_no_more_of_it_than_of_a_small_one(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    fill(small, 1_000)
    fill(large, 60_000)
    assert (large / "events.sqlite").stat().st_size > 20_000_000
    assert read_by_opening(large) <= read_by_opening(small) + MORE_BYTES_MAX
    with inline_log(large) as log:
        assert log.waiting(CLOUD, Stream.SALES) == 60_000
        assert log.head(Stream.SALES) == Place(1, 60_000)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_s12_with_ten_million_events_an_agent_starts_as_fast_in_as_little_memory() -> None:
    command = ["bench", "log", "--events=10000000", "--only=ready_backlog", "--only=rss_backlog_no_decisions", "--json"]
    done = subprocess.run([sys.executable, "-m", "agent", *command], capture_output=True, check=True, timeout=3_600)
    ready, memory = json.loads(done.stdout)
    assert ready["ratio"] <= 1.5, ready
    assert memory["value"] - memory["ceiling"] < 10, memory
