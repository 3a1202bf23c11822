"""A backup is one moment of the log, whole or not there, taken while the agent goes on."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from agent.errors import LogUnreadable, StorageFailed, StorageFull
from agent.log.copies import backup as backup_module
from agent.log.copies.backup import copy_log
from agent.log.copies.check import check_log
from agent.log.schema import WAL_BYTES_KEPT, wal_of
from tests.log.world import event, events, inline_log, raw, stored_rows, threaded_log

FILE = "events.sqlite"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_copy_has_what_was_durable_and_is_one_file_closed_to_others(tmp_path: Path) -> None:
    target = tmp_path / "copies" / "one.sqlite"
    target.parent.mkdir()
    with inline_log(tmp_path) as log:
        log.append_now(events(50))
        copied = copy_log(log.file, target)
        log.append_now([event("later")])
        rows = stored_rows(log)
    assert stored_rows(target) == rows[:-1]
    assert names(target.parent) == ["one.sqlite"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert copied == target.stat().st_size
    with raw(target) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_copy_of_a_killed_agents_log_has_what_is_in_its_wal(tmp_path: Path) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(5))
        (tmp_path / "killed").mkdir()
        for file in (log.file, wal_of(log.file)):
            (tmp_path / "killed" / file.name).write_bytes(file.read_bytes())
    copy_log(tmp_path / "killed" / FILE, tmp_path / "copy.sqlite")
    assert len(stored_rows(tmp_path / "copy.sqlite")) == 5


@pytest.mark.case("S14")
async def test_appends_go_on_while_a_copy_is_made_and_the_wal_stays_bounded(tmp_path: Path) -> None:
    """Appends run between the steps of the copy: each step waits until one more is durable."""
    appended, steps = 0, 0
    async with threaded_log(tmp_path / "log") as log:
        for part in range(20):
            await log.append(events(500, f"before-{part}", say="x" * 60))
        loop = asyncio.get_running_loop()

        def step(_done: int, _total: int) -> None:
            nonlocal appended, steps
            answer = asyncio.run_coroutine_threadsafe(log.append(events(50, f"during-{steps}")), loop).result(20)
            appended, steps = appended + len(answer), steps + 1

        await asyncio.to_thread(copy_log, log.file, tmp_path / "copy.sqlite", progress=step)
        for part in range(20):
            await log.append(events(500, f"after-{part}", say="x" * 60))
        assert wal_of(log.file).stat().st_size < 2 * WAL_BYTES_KEPT
    assert steps > 1
    assert appended == 50 * steps
    found = check_log(tmp_path / "copy.sqlite")
    assert found.whole
    assert [row[2] for row in stored_rows(tmp_path / "copy.sqlite")] == list(range(1, 10_001))


def test_a_copy_gives_way_to_an_agent_that_writes_more_than_fits_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "WAL_BYTES_MAX", 100_000)
    with inline_log(tmp_path / "log") as log:
        for part in range(10):
            log.append_now(events(500, f"before-{part}", say="x" * 60))

        def write(_done: int, _total: int) -> None:
            log.append_now(events(500, f"during-{_done}"))

        with pytest.raises(StorageFailed, match=r"choose a faster disk, or stop the agent first"):
            copy_log(log.file, tmp_path / "copy.sqlite", progress=write)
    assert names(tmp_path) == ["log"]


def test_a_file_that_is_there_is_replaced_at_once_or_stays(tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"
    target.write_bytes(b"kept")
    (tmp_path / "noise").write_bytes(b"\x55" * 10_000)
    with pytest.raises(LogUnreadable):
        copy_log(tmp_path / "noise", target)
    assert target.read_bytes() == b"kept"
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(3))
        copy_log(log.file, target)
    assert len(stored_rows(target)) == 3
    assert names(tmp_path) == ["copy.sqlite", "log", "noise"]


def test_what_a_killed_backup_left_is_taken_over_and_a_second_one_at_a_time_is_refused(tmp_path: Path) -> None:
    draft = tmp_path / ".copy.sqlite.draft"
    draft.write_bytes(b"half of it")
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(3))

        def again(_done: int, _total: int) -> None:
            with pytest.raises(StorageFailed, match="is being written"):
                copy_log(log.file, tmp_path / "copy.sqlite")

        copy_log(log.file, tmp_path / "copy.sqlite", progress=again)
    assert len(stored_rows(tmp_path / "copy.sqlite")) == 3
    assert not draft.exists()


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=False).returncode:
        pytest.skip("may not mount a file system here")
    try:
        with inline_log(tmp_path / "log") as log:
            log.append_now(events(300))
            with pytest.raises(StorageFull, match=r"copy.sqlite: [\d,]+ bytes are needed, its disk has"):
                copy_log(log.file, place / "copy.sqlite")
        assert names(place) == []
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_folder_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with (
        inline_log(tmp_path / "log") as log,
        pytest.raises(StorageFailed, match=r"cannot write .*/nowhere/copy.sqlite"),
    ):
        copy_log(log.file, tmp_path / "nowhere" / "copy.sqlite")
