"""One agent per folder: the second is refused with the process id of the first, whose death frees the folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors import StoreInUse
from agent.log import EventLog
from agent.log.lock import StoreLock
from agent.settings import LogSettings
from tests.log.world import SetClock, event, inline_log, new_ids

HOLD = """
import sys
from pathlib import Path
from tests.log.world import event, inline_log
with inline_log(Path(sys.argv[1])) as log:
    log.append_now([event("a")])
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_agent(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the log open until its stdin closes."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process


def open_log(folder: Path) -> EventLog:
    return EventLog.open_inline(folder, LogSettings(), clock=SetClock(), new_id=new_ids())


@pytest.mark.case("S10")
def test_a_second_agent_is_refused_with_the_process_id_of_the_first(tmp_path: Path) -> None:
    with other_agent(tmp_path) as first:
        with pytest.raises(
            StoreInUse, match=f"{tmp_path} is in use by process {first.pid}: stop that agent"
        ) as refused:
            open_log(tmp_path)
        assert refused.value.pid == first.pid
        first.communicate(timeout=20)
    with inline_log(tmp_path) as log:
        assert log.append_now([event("b")])[0].sequence == 2


def test_a_killed_agent_leaves_the_folder_free(tmp_path: Path) -> None:
    with other_agent(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=20)
    with inline_log(tmp_path) as log:
        assert log.append_now([event("a")])[0].duplicate


def test_the_same_process_cannot_open_a_folder_twice(tmp_path: Path) -> None:
    with inline_log(tmp_path), pytest.raises(StoreInUse) as refused:
        open_log(tmp_path)
    assert refused.value.pid == os.getpid()


def test_an_owner_without_a_readable_process_id_is_told_as_another_process(tmp_path: Path) -> None:
    with inline_log(tmp_path):
        (tmp_path / "lock").write_text("?")
        with pytest.raises(StoreInUse, match="in use by another process"):
            open_log(tmp_path)


def test_a_released_lock_is_free_and_shows_its_next_owner(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("an older, longer text\n")
    for _ in range(2):
        lock = StoreLock.take(tmp_path)
        assert (tmp_path / "lock").read_text().split() == [str(os.getpid())]
        lock.release()
