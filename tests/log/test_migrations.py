"""An earlier format is brought up to date once, a copy is kept, and a kill at any moment leaves the old or the new."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors import LogUnreadable, StorageFailed, StoreInUse
from agent.event_types import Stream
from agent.log import CLOUD
from agent.log.copies.check import check_log
from agent.log.lock import StoreLock
from agent.log.schema import FORMAT
from agent.log.upgrade import bring_up_to_date
from tests.log.stepwise_kills import outcomes_of
from tests.log.world import inline_log, raw, stored_rows

FILE = "events.sqlite"
COMPAT = Path(__file__).parent.parent / "compat"
LEFT_OUT = ("_sqlite_migrations", "idx__sqlite_migrations", "identity_")


def format_1(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    shutil.copy(COMPAT / "log-format-1.sqlite", file)
    return file


def shape(file: Path) -> set[tuple[str, str, str]]:
    """Tables, views and indexes, but for the record of migrations and the tables that are made by the day."""
    with raw(file) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(kind, name, " ".join(sql.split())) for kind, name, sql in rows if not name.startswith(LEFT_OUT)}


@pytest.mark.timeout(300)
@pytest.mark.case("U1")
def test_a_migration_killed_at_any_moment_leaves_the_old_file_or_the_new_and_a_copy_before_it_changes() -> None:
    outcomes = outcomes_of("migration")
    assert outcomes["steps"] > 20
    assert outcomes["old"] > 20
    assert outcomes["new"] > 0


@pytest.mark.case("U1")
def test_a_migrated_file_has_the_tables_of_a_new_one_and_keeps_its_events_and_a_copy(tmp_path: Path) -> None:
    file = format_1(tmp_path / "old")
    before = stored_rows(file)
    with inline_log(tmp_path / "old") as log:
        assert stored_rows(log) == before
        assert not log.created
        assert log.epoch_reason == "behind_ledger"
        assert log.journal("mission-agv-1") == [b'{"step": 1}']
    with inline_log(tmp_path / "new"):
        pass
    assert shape(file) == shape(tmp_path / "new" / FILE)
    copy = tmp_path / "old" / "old" / "format-1" / FILE
    found = check_log(copy)
    assert (found.format, found.whole, sum(found.events.values())) == (1, True, len(before))
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.case("U1")
def test_a_file_of_this_format_starts_no_child_and_makes_no_copy(tmp_path: Path) -> None:
    for _ in range(2):
        with inline_log(tmp_path):
            assert not (tmp_path / "old").exists()


@pytest.mark.case("U1")
def test_a_migration_that_fails_says_what_to_do_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = format_1(tmp_path)
    with raw(file) as connection:
        connection.execute("CREATE TABLE gap (other TEXT)")  # somebody has made free with the file
    before = file.read_bytes()
    with pytest.raises(StorageFailed, match=r"could not be brought from format 1 to \d+: .*table gap already exists"):
        open_log(tmp_path)
    assert file.read_bytes() == before
    assert (tmp_path / "old" / "format-1" / FILE).exists()


@pytest.mark.case("U1")
def test_a_damaged_file_of_an_earlier_format_is_put_aside_as_one_of_this_format_is(tmp_path: Path) -> None:
    file = format_1(tmp_path)
    content = bytearray(file.read_bytes())
    content[100:140] = b"\x55" * 40
    file.write_bytes(content)
    with inline_log(tmp_path) as log:
        assert log.created
        (old,) = log.old_logs()
        assert old.file.read_bytes() == bytes(content)


@pytest.mark.case("U1")
@pytest.mark.parametrize("place", [0, 32 + 24 + 100], ids=["its header", "its first frame"])
def test_a_damaged_wal_of_an_earlier_format_is_kept_whole_and_not_taken_for_its_end(tmp_path: Path, place: int) -> None:
    source = format_1(tmp_path / "source")
    folder = tmp_path / "log"
    folder.mkdir()
    with raw(source) as connection:
        for number in range(4):
            connection.execute("INSERT INTO journal VALUES ('agv', ?, 0, x'00')", (number,))
        for name in (FILE, f"{FILE}-wal"):
            shutil.copy(source.with_name(name), folder)
    wal = bytearray((folder / f"{FILE}-wal").read_bytes())
    wal[place] ^= 1
    (folder / f"{FILE}-wal").write_bytes(wal)
    with inline_log(folder) as log:
        assert log.created
        (old,) = log.old_logs()
    assert any(path.read_bytes() == bytes(wal) for path in old.folder.glob(f"{FILE}-wal*"))


@pytest.mark.case("U1")
def test_without_room_for_a_copy_the_shop_starts_without_one_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = format_1(tmp_path)
    place = tmp_path / "old" / "format-1"
    place.mkdir(parents=True)
    with small_disk(place):
        lock = StoreLock.take(tmp_path)
        bring_up_to_date(file, lock)
        lock.release()
    with raw(file) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "no copy of the earlier format" in warning.getMessage()


@pytest.mark.case("U2")
def test_a_newer_format_is_refused_with_what_to_do_and_left_as_it_is(tmp_path: Path) -> None:
    with inline_log(tmp_path):
        pass
    with raw(tmp_path / FILE) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(LogUnreadable, match=rf"has format {FORMAT + 1}, .* start the newer version that wrote it"):
        open_log(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.case("U3")
def test_unsent_events_of_the_version_before_are_read_with_the_same_ids_epochs_and_sequences(tmp_path: Path) -> None:
    format_1(tmp_path)
    expected = json.loads((COMPAT / "log-format-1.json").read_text())["unsent"]
    found = []
    with inline_log(tmp_path) as log:
        assert log.waiting(CLOUD) == len(expected)
        for stream in Stream:
            after = log.cursor(CLOUD, stream)
            while part := log.read(stream, after, events_max=10, bytes_max=100_000):
                found += [[stream.value, log.epoch_id(one.place.epoch), one.place.sequence, one.id] for one in part]
                after = part[-1].place
    assert found == expected


def test_while_a_child_has_the_lock_no_second_agent_starts(tmp_path: Path) -> None:
    lock = StoreLock.take(tmp_path)
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    lock.release()  # as if the parent had been killed
    try:
        with pytest.raises(StoreInUse, match="is in use by process"):
            StoreLock.take(tmp_path)
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait(20)
    StoreLock.take(tmp_path).release()


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 64 kB on a folder, for those who may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def open_log(folder: Path) -> None:
    with inline_log(folder):
        pass
