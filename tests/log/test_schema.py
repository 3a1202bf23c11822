"""Opening a log's file: what is set on it, what is refused, and that a refused file is left as it was."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from sqlite3 import OperationalError

import pytest

from agent.errors import LogUnreadable, StorageFailed, StorageFull
from agent.event_types import Stream
from agent.log import EventLog, Place
from agent.log.schema import event_table, fault_of, open_writer
from agent.settings import LogSettings
from tests.log.damage import newer_format, no_log
from tests.log.world import SetClock, event, events, inline_log, new_ids, raw, read_all, stored_rows
from tests.open_folder import open_folder

FILE = "events.sqlite"


def test_every_commit_is_fsynced_in_a_write_ahead_log(tmp_path: Path) -> None:
    for _ in ("created", "opened again"):
        connection = open_writer(tmp_path / FILE, size_bytes_max=2**30)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # INCREMENTAL
        assert connection.execute("PRAGMA max_page_count").fetchone() == (2**30 // 4096,)
        connection.close()


def test_every_stream_has_its_table_and_the_view_shows_them_to_people(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([event("a"), event("b", stream=Stream.SENSOR)])
        with raw(log) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            assert {event_table(stream) for stream in Stream} <= tables
            rows = connection.execute("SELECT stream, sequence, id, type, source FROM event ORDER BY id").fetchall()
    assert rows == [
        ("sales", 1, "a", "dev.storeforward.pos.void.v1", "/store-1/box-1/till-1"),
        ("sensor", 1, "b", "dev.storeforward.environment.v1", "/store-1/box-1/till-1"),
    ]


def test_a_stream_that_a_file_does_not_have_yet_is_added_to_it(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([event("a")])
    with raw(tmp_path / FILE) as connection:
        connection.executescript("DROP VIEW event; DROP TABLE event_sensor;")
    with inline_log(tmp_path) as log:
        assert log.append_now([event("b", stream=Stream.SENSOR)])[0].sequence == 1
        assert log.head(Stream.SALES) == Place(1, 1)
        with raw(log) as connection:
            assert connection.execute("SELECT count(*) FROM event").fetchone() == (2,)


def test_a_stream_that_only_a_later_version_knows_is_left_alone(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        log.append_now([event("a")])
    with raw(tmp_path / FILE) as connection:
        connection.executescript(
            "CREATE TABLE event_drone (place INTEGER PRIMARY KEY); INSERT INTO cursor VALUES ('cloud', 'drone', 1, 7);"
        )
    with inline_log(tmp_path) as log:
        assert log.waiting("cloud") == 1
    with raw(tmp_path / FILE) as connection:
        assert connection.execute("SELECT sequence FROM cursor WHERE stream = 'drone'").fetchone() == (7,)


def test_what_a_killed_agent_left_in_the_wal_is_fsynced_before_anything_is_answered(tmp_path: Path) -> None:
    killed, restarted, after = (tmp_path / name for name in ("killed", "restarted", "after"))
    with inline_log(killed) as log:
        log.append_now([event("a")])
        restarted.mkdir()
        for file in (FILE, f"{FILE}-wal"):
            shutil.copy(killed / file, restarted)
    with inline_log(restarted) as log:
        after.mkdir()
        shutil.copy(restarted / FILE, after)  # without its WAL: what SQLite wrote here, it had fsynced there
        assert log.append_now([event("a")])[0].duplicate
    assert [row[3] for row in stored_rows(after / FILE)] == ["a"]


def test_a_wal_index_that_finds_no_room_is_a_full_disk(tmp_path: Path) -> None:
    error = OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    fault = fault_of(tmp_path / FILE, error)
    assert isinstance(fault, StorageFull)
    assert "the disk is full" in str(fault)


# --- files that cannot be used -----------------------------------------------------------------------------


def make_log(folder: Path) -> Path:
    with inline_log(folder) as log:
        log.append_now(events(300))
    return folder / FILE


def other_version_zero(file: Path) -> None:
    with raw(file) as connection:
        connection.execute("PRAGMA user_version = 0")


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "newer format": (newer_format, r"format 3, this version reads up to 2: start the newer version"),
    "another database": (no_log, r"is no event log: move it aside"),
    "tables without a format": (other_version_zero, r"is no event log"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_file_is_refused_by_name_and_left_as_it_was(tmp_path: Path, case: str) -> None:
    spoil, says = UNUSABLE[case]
    file = make_log(tmp_path)
    spoil(file)
    before = file.read_bytes()
    with pytest.raises(LogUnreadable, match=says) as refused:
        EventLog.open_inline(tmp_path, LogSettings(), clock=SetClock(), new_id=new_ids())
    assert str(file) in str(refused.value)
    assert file.read_bytes() == before


def test_an_empty_file_becomes_a_log(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with inline_log(tmp_path) as log:
        log.append_now([event("a")])
        assert [stored.id for stored in read_all(log)] == ["a"]


# --- folders that cannot be written ------------------------------------------------------------------------

OPEN_UNPRIVILEGED = """
import encodings.ascii, os, sys  # loaded now: the interpreter's own files may be closed to others
from pathlib import Path
from tests.log.world import SetClock, new_ids
from agent.errors import StorageFailed
from agent.log import EventLog
from agent.settings import LogSettings
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    EventLog.open_inline(Path(sys.argv[1]), LogSettings(), clock=SetClock(), new_id=new_ids())
except StorageFailed as failed:
    print(failed)
"""


@pytest.fixture(name="open_folder")
def _open_folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


def told_unprivileged(folder: Path) -> str:
    child = subprocess.run(
        [sys.executable, "-c", OPEN_UNPRIVILEGED, folder], capture_output=True, text=True, check=True, timeout=60
    )
    return child.stdout


def test_a_folder_that_cannot_be_written_is_told_with_its_name(open_folder: Path) -> None:
    folder = open_folder / "log"
    folder.mkdir(mode=0o555)
    assert f"cannot write {folder}/lock: Permission denied" in told_unprivileged(folder)


def test_a_folder_that_cannot_be_made_is_told_with_its_name(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    assert f"cannot write {open_folder}/log/lock: Permission denied" in told_unprivileged(open_folder / "log")


def test_a_file_that_cannot_be_written_is_told_with_its_name(open_folder: Path) -> None:
    file = make_log(open_folder)
    open_folder.chmod(0o777)
    (open_folder / "lock").chmod(0o666)
    file.chmod(0o444)
    told = told_unprivileged(open_folder)
    assert f"{file} cannot be read and written by this user (uid 65534; it belongs to uid 0, mode 444)" in told


def test_a_path_that_leads_through_a_file_is_a_storage_fault(tmp_path: Path) -> None:
    (tmp_path / "occupied").touch()
    with pytest.raises(StorageFailed, match="occupied"):
        EventLog.open_inline(tmp_path / "occupied" / "log", LogSettings(), clock=SetClock(), new_id=new_ids())
    (tmp_path / "log" / FILE).mkdir(parents=True)
    with pytest.raises(StorageFailed, match="unable to open database file"):
        EventLog.open_inline(tmp_path / "log", LogSettings(), clock=SetClock(), new_id=new_ids())
