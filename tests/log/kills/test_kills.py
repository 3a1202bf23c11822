"""SIGKILL at random moments: what was acknowledged is there once, in order, and nothing is there twice (S2, P2)."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.log.disk.disk_tap import MEMORY

pytestmark = pytest.mark.timeout(300)  # long on a busy machine
KILLS = 250


def killed(seed: int, kills: int, timeout_s: float) -> dict[str, Any]:  # Any: JSON
    with TemporaryDirectory(dir=MEMORY) as folder:
        child = subprocess.run(
            [sys.executable, "-m", "tests.log.kills.killed_agent", folder, str(kills), str(seed)],
            capture_output=True, text=True, check=False, timeout=timeout_s,
        )  # fmt: skip
    assert child.returncode == 0, child.stderr
    print(child.stdout)  # noqa: T201 - `pytest -s` shows how much was tried
    report: dict[str, Any] = json.loads(child.stdout)
    assert report["problems"] == []
    return report


@pytest.mark.case("S2")
@pytest.mark.parametrize("seed", range(1, 80_001, 10_000))
def test_s2_a_killed_agent_loses_nothing_it_acknowledged_and_stores_nothing_twice(seed: int) -> None:
    """2,000 in all: while it opens, appends, moves cursors, clears away, starts an epoch, with checkpoints between."""
    report = killed(seed, KILLS, timeout_s=280)
    assert report["kills"] == KILLS
    assert report["acknowledged"] > 10 * KILLS
    assert {"opening", "sent"} <= report["during"].keys()


@pytest.mark.case("S2")
@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_s2_ten_thousand_kills() -> None:
    assert killed(100_001, 10_000, timeout_s=1_100)["kills"] == 10_000


@pytest.mark.case("S2")
def test_s2_kills_on_a_disk_that_is_no_memory(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.log.kills.test_kills.MEMORY", tmp_path)
        killed(80_001, 50, timeout_s=280)
