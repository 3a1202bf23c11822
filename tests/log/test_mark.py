"""Files of the log that are missing, foreign or closed to the agent: it starts and says so, or says which and why."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.errors import EnvironmentFault
from agent.event_types import Stream
from agent.log import Place
from agent.log.copies.replacement import FILE
from agent.log.mark import MARK
from tests.log.world import event, events, inline_log, stored_rows

pytestmark = pytest.mark.case("S9")

WAL, SHM = f"{FILE}-wal", f"{FILE}-shm"

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.log.world import event, events, inline_log
with inline_log(Path(sys.argv[1])) as log:
    log.append_now(events(5))
    log.append_now([event("last")])
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder of an agent that was killed: its events are in the -wal."""
    folder = tmp_path / "killed"
    subprocess.run([sys.executable, "-c", KILLED, folder], check=False, timeout=60)
    assert (folder / WAL).stat().st_size > 4096
    return folder


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """The folder of an agent that was stopped."""
    folder = tmp_path / "closed"
    with inline_log(folder) as log:
        log.append_now(events(3, "closed"))
    return folder


KILLED_IN_ITS_FIRST_OPENING = """
import os, signal, sys
from pathlib import Path
from agent.log import store
from tests.log.world import inline_log
def killed_before_it_is_told(mark): os.kill(os.getpid(), signal.SIGKILL)
store.Mark.opened = killed_before_it_is_told
with inline_log(Path(sys.argv[1])): pass
"""


def ids(folder: Path) -> list[str]:
    return [row[3] for row in stored_rows(folder / FILE)]


def refusal(folder: Path) -> str:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in {FILE, WAL}}
    with pytest.raises(EnvironmentFault) as refused, inline_log(folder):
        pass
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in {FILE, WAL}} == before
    return str(refused.value)


ALL = [*(f"e-{at}" for at in range(1, 6)), "last"]


def test_after_a_kill_everything_is_there_in_the_same_epoch(killed: Path) -> None:
    with inline_log(killed) as log:
        assert log.epoch_reason == "created"
        assert log.head(Stream.SALES) == Place(1, 6)
    assert ids(killed) == ALL


def test_a_kill_in_the_first_opening_leaves_a_log_that_opens_as_new(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The mark was written when there was no file yet: what is there since is the agent's own."""
    folder = tmp_path / "first"
    subprocess.run([sys.executable, "-c", KILLED_IN_ITS_FIRST_OPENING, folder], check=False, timeout=60)
    assert (folder / FILE).exists()
    assert (folder / MARK).exists()
    with inline_log(folder) as log:
        assert log.epoch_reason == "created"
        log.append_now(events(2))
    assert "not as it was left" not in caplog.text
    assert ids(folder) == ["e-1", "e-2"]


@pytest.mark.parametrize("content", [None, b"", b"\x55" * 32_768], ids=["missing", "empty", "foreign"])
def test_an_index_that_is_missing_or_foreign_is_made_again(killed: Path, content: bytes | None) -> None:
    (killed / SHM).unlink()
    if content is not None:
        (killed / SHM).write_bytes(content)
    with inline_log(killed) as log:
        assert log.epoch_reason == "created"
    assert ids(killed) == ALL


def test_a_missing_wal_of_a_killed_agent_is_told_and_no_sequence_is_given_twice(
    killed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (killed / WAL).unlink()
    with inline_log(killed, seed=77) as log:
        assert log.epoch_reason == "damaged"
        assert log.append_now([event("next")])[0].epoch == log.epoch
        epoch = log.epoch
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "its -wal is gone" in error.getMessage()
    with inline_log(killed) as log:  # told once
        assert log.epoch == epoch


def test_a_file_that_is_gone_is_told_and_a_new_log_begins(closed: Path, caplog: pytest.LogCaptureFixture) -> None:
    (closed / FILE).unlink()
    with inline_log(closed, seed=77) as log:
        assert log.created
        assert log.epoch_reason == "created"
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "its file is gone" in error.getMessage()


def test_the_wal_of_another_file_is_refused_by_name_beside_a_log_that_was_closed(killed: Path, closed: Path) -> None:
    shutil.copy(killed / WAL, closed)
    assert f"{closed / WAL} does not belong to {closed / FILE}" in refusal(closed)
    (closed / WAL).unlink()
    assert ids(closed) == ["closed-1", "closed-2", "closed-3"]


def test_the_wal_of_another_file_is_refused_by_name_in_place_of_a_killed_agents_own(
    killed: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-c", KILLED, other], check=False, timeout=60)
    (killed / WAL).rename(tmp_path / "own")
    (other / WAL).rename(killed / WAL)
    assert f"{killed / WAL} does not belong to {killed / FILE}: the agent did not write it" in refusal(killed)
    (tmp_path / "own").rename(killed / WAL)
    with inline_log(killed):
        pass
    assert ids(killed) == ALL


def test_an_older_copy_beside_the_wal_of_the_file_that_was_here_is_refused(killed: Path, closed: Path) -> None:
    (closed / FILE).rename(killed / "copy")
    (killed / "copy").replace(killed / FILE)
    assert "it is that of the file that was here before" in refusal(killed)
    assert "storeforward restore" in refusal(killed)


def test_a_copy_put_in_place_by_hand_begins_a_new_epoch(closed: Path, tmp_path: Path) -> None:
    shutil.copy(closed / FILE, tmp_path / "copy")
    with inline_log(closed) as log:
        log.append_now(events(3, "later"))
    (tmp_path / "copy").replace(closed / FILE)
    with inline_log(closed, seed=77) as log:
        assert log.epoch_reason == "restored"
        assert ids(closed) == ["closed-1", "closed-2", "closed-3"]


def test_a_wal_without_its_file_is_not_thrown_away(killed: Path) -> None:
    (killed / FILE).unlink()
    assert f"but {killed / FILE} is missing: put that back" in refusal(killed)


def test_a_folder_that_was_copied_as_a_whole_is_taken_as_it_is(killed: Path, tmp_path: Path) -> None:
    shutil.copytree(killed, tmp_path / "copy")
    with inline_log(tmp_path / "copy") as log:
        assert log.epoch_reason == "created"
    assert ids(tmp_path / "copy") == ALL


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"state": "opened"}', b"\xff"])
def test_a_mark_that_cannot_be_read_says_nothing(killed: Path, content: bytes) -> None:
    (killed / MARK).write_bytes(content)
    with inline_log(killed) as log:
        assert log.epoch_reason == "created"
    assert ids(killed) == ALL


def test_a_reader_that_outlives_the_agent_keeps_its_wal_and_nothing_is_lost(closed: Path) -> None:
    with inline_log(closed) as log:
        log.append_now(events(3, "later"))
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, closed / FILE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert reader.stdout is not None
        assert reader.stdin is not None
        assert reader.stdout.readline() == b"reading\n"
    assert (closed / WAL).stat().st_size
    reader.communicate(timeout=30)
    with inline_log(closed) as log:
        assert log.epoch_reason == "created"
    assert len(ids(closed)) == 6


READER = """
import sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT * FROM epoch").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""

# --- owner and mode: in a child that is not root ----------------------------------------------------------

OPEN_UNPRIVILEGED = """
import encodings.ascii, os, sys
from pathlib import Path
from tests.log.world import inline_log
from agent.errors import EnvironmentFault
os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    with inline_log(Path(sys.argv[1])) as log:
        print("started")
except EnvironmentFault as fault:
    print(fault)
"""


@pytest.fixture
def open_killed(killed: Path) -> Iterator[Path]:
    """The folder of a killed agent that belongs to an unprivileged user."""
    if os.geteuid():
        pytest.skip("needs root to make files of another user")
    with TemporaryDirectory() as text:
        Path(text).chmod(0o755)
        folder = Path(text) / "log"
        shutil.copytree(killed, folder)
        for path in (folder, *folder.iterdir()):
            os.chown(path, 65534, 65534)
        yield folder


def told(folder: Path) -> str:
    child = subprocess.run(
        [sys.executable, "-c", OPEN_UNPRIVILEGED, folder], capture_output=True, text=True, check=True, timeout=60
    )
    return child.stdout.strip()


@pytest.mark.parametrize("name", [FILE, WAL, SHM])
@pytest.mark.parametrize("mode", [0o600, 0o444])
def test_a_file_of_another_owner_is_told_by_name(open_killed: Path, name: str, mode: int) -> None:
    shutil.copy(open_killed / WAL, open_killed / "before")
    os.chown(open_killed / name, 0, 0)
    (open_killed / name).chmod(mode)
    expected = f"{open_killed / name} cannot be read and written by this user (uid 65534; it belongs to uid 0, mode"
    assert expected in told(open_killed)
    assert (open_killed / WAL).read_bytes() == (open_killed / "before").read_bytes()
    os.chown(open_killed / name, 65534, 65534)
    (open_killed / name).chmod(0o600)
    assert told(open_killed) == "started"
    assert ids(open_killed) == ALL


def test_the_mark_of_another_owner_keeps_nobody_from_starting(open_killed: Path) -> None:
    os.chown(open_killed / MARK, 0, 0)
    (open_killed / MARK).chmod(0o600)
    assert told(open_killed) == "started"
    assert json.loads((open_killed / MARK).read_bytes())["state"] == "closed"
