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
def story(*kind: str, module: str = "small_disk") -> dict[str, Any]:  # Any: JSON
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            ["unshare", "--mount", sys.executable, "-m", f"tests.log.faults.{module}", *kind, folder],
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


@pytest.mark.case("S5")
def test_s5_an_agent_on_a_disk_that_became_read_only_says_so_refuses_events_and_goes_on() -> None:
    told = story(module="read_only_agent")
    assert told["before"][0] == 201
    for code, problem in told["after"]:
        assert code == 503
        assert problem["type"] == "urn:storeforward:problem:not_available"
        assert problem["detail"].endswith("log has become read-only: check the card or disk")
    storage = told["status"]["storage"]
    assert storage["state"] == "read_only"
    assert storage["problem"].endswith("log has become read-only: check the card or disk")
    assert any("read-only" in problem for problem in told["status"]["problems"])
    assert told["read"] == 200
