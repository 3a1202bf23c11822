"""A real file system runs full, or is given up by the kernel, under the log (S4, S5). Mounting one needs root."""

import json
import os
import subprocess
import sys
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

import pytest

pytestmark = [
    pytest.mark.timeout(300),  # long on a busy machine
    pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="mounts a file system: run as root"),
]


@cache
def story(kind: str) -> dict[str, Any]:  # Any: JSON
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            ["unshare", "--mount", sys.executable, "-m", "tests.log.faults.small_disk", kind, folder],
            capture_output=True, check=False, text=True, timeout=280,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.case("S4")
@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_s4_a_full_disk_refuses_new_events_keeps_the_old_and_goes_on_when_there_is_room(kind: str) -> None:
    seen = story(kind)
    assert seen["problems"] == []
    assert seen["refused"].keys() == {"StorageFull"}
    assert seen["acknowledged"] > 5_000
    assert seen["after_it"][:2] == ["read", "append when there is room"]


@pytest.mark.case("S4")
@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
@pytest.mark.parametrize("work", ["move cursors when full", "append after retention"])
def test_s4_on_a_disk_that_others_filled_cursors_move_and_retention_makes_room(kind: str, work: str) -> None:
    assert work in story(kind)["after_it"], story(kind)


@pytest.mark.case("S5")
def test_s5_a_disk_that_became_read_only_refuses_what_is_new_and_gives_what_is_there() -> None:
    seen = story("read-only")
    assert seen["problems"] == []
    assert seen["acknowledged"] == 100
    assert seen["refused"] == {"StorageReadOnly": 5}
    assert seen["after_it"] == ["read"]
    assert "Read-only file system" in seen["refused_open"]
