"""Pieces of work that may end in the middle, by a kill or a cut of the power: each leaves the old or the new, whole."""

import io
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from agent.event_types import Stream
from agent.events import Draft
from agent.log import EventLog, JournalEntry, Place, migrations
from agent.log.copies.backup import copy_log
from agent.log.copies.check import check_log
from agent.log.copies.restore import EPOCH_STEP, Restoration
from agent.log.damage.aside import condemn, old_logs
from tests.log.world import SetClock, event, events, inline_log, new_ids, raw, stored_rows

__all__ = ["WORKS", "Work"]

FILE: Final = "events.sqlite"
COMPAT: Final = Path(__file__).parent.parent / "compat"


class Work(NamedTuple):
    """`do` in a folder that `prepare` filled, and tell when it is answered; `judge` says old or new, or it raises."""

    prepare: Callable[[Path], None]
    do: Callable[[Path, Callable[[], object]], None]
    judge: Callable[[Path], str]


def leave_killed(folder: Path, *calls: list[Draft]) -> None:
    """What an agent leaves that stored these, call by call, and was killed: the last of them in its -wal."""
    if not (child := os.fork()):
        with inline_log(folder) as log:
            for call in calls:
                log.append_now(call)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


# --- opening -----------------------------------------------------------------------------------------------

BEFORE: Final = [f"e-{at}" for at in range(1, 6)]


def prepare_nothing(folder: Path) -> None:
    folder.mkdir(parents=True)


def prepare_killed(folder: Path) -> None:
    leave_killed(folder / "log", events(4), [event("e-5")])


def prepare_closed(folder: Path) -> None:
    with inline_log(folder / "log") as log:
        log.append_now(events(5))


def open_and_append(folder: Path, tell: Callable[[], object]) -> None:
    with inline_log(folder / "log", seed=2) as log:
        log.append_now(events(2, "new"))
        tell()


def judge_first_opening(folder: Path) -> str:
    return judge_opening(folder, [])


def judge_opening(folder: Path, before: Sequence[str] = BEFORE) -> str:
    """As if it had not been tried, or all of its work is there."""
    ids = ids_after_opening(folder, "created")
    assert ids in (before, [*before, "new-1", "new-2"])
    assert not (folder / "log" / "old").exists()
    return "old" if ids == before else "new"


def ids_after_opening(folder: Path, reason: str) -> list[str]:
    with inline_log(folder / "log", seed=3) as log:
        assert log.epoch_reason == reason
        assert len(log.epoch_numbers()) == 1
        ids = ids_in(log)
        (appended,) = log.append_now([event("next")])
        assert appended.sequence == len(ids) + 1
    return ids


def ids_in(log: EventLog | Path) -> list[str]:
    """Without what was appended in judging before."""
    return [row[3] for row in stored_rows(log) if row[3] != "next"]


# --- a damaged log is put aside ----------------------------------------------------------------------------


def prepare_damaged(folder: Path) -> None:
    """The header is noise, and the last commits are in the -wal."""
    prepare_killed(folder)
    with (folder / "log" / FILE).open("r+b") as opened:
        opened.write(bytes(range(100)))
    shutil.copytree(folder / "log", folder / "as it was")


def prepare_condemned(folder: Path) -> None:
    """The agent before met damage, and what vehicles were told can be read."""
    with inline_log(folder / "log") as log:
        log.append_now([], [JournalEntry("agv", 1, b"told")])
    prepare_killed(folder)
    condemn(folder / "log", "a page of it is damaged")
    shutil.copytree(folder / "log", folder / "as it was")


def judge_put_aside(folder: Path, journal: Sequence[bytes] = ()) -> str:
    """The new log is there, and in `old/` the damaged one, byte for byte."""
    ids = ids_after_opening(folder, "damaged")
    asides = old_logs(folder / "log")
    assert len(asides) == 1
    aside = asides[0]
    for name in (FILE, f"{FILE}-wal"):
        assert (aside.folder / name).read_bytes() == (folder / "as it was" / name).read_bytes()
    assert (aside.progress, ids) in (("pending", []), ("pending", ["new-1", "new-2"]))
    with inline_log(folder / "log") as log:
        assert log.journal("agv") == list(journal)
    return "new" if ids else "old"


def judge_condemned(folder: Path) -> str:
    return judge_put_aside(folder, [b"told"])


# --- migration ---------------------------------------------------------------------------------------------


def prepare_format_1(folder: Path) -> None:
    """A log of the version before, whose last commit is in the -wal."""
    source = folder / "source"
    source.mkdir(parents=True)
    shutil.copy(COMPAT / "log-format-1.sqlite", source / FILE)
    with raw(source / FILE) as connection:
        connection.execute("INSERT INTO journal VALUES ('agv', 1, 0, x'00')")
        for suffix in ("", "-wal"):
            shutil.copy(source / f"{FILE}{suffix}", folder)
    assert (folder / f"{FILE}-wal").stat().st_size


def migrate(folder: Path, tell: Callable[[], object] = lambda: None) -> None:
    with redirect_stdout(io.StringIO()):
        assert migrations.main([str(folder / FILE), str(folder / "copy.sqlite")]) == 0
    tell()


def judge_migration(folder: Path) -> str:
    found = state_of(folder / FILE)
    expected = {rows: version for version, rows in states().items()}
    assert found in expected, "neither the old nor the new file"
    if (folder / "copy.sqlite").exists():
        assert state_of(folder / "copy.sqlite") == states()[1]
    version = expected[found]
    if version == 2:
        assert (folder / "copy.sqlite").exists(), "changed without a copy"
    migrate(folder)
    assert state_of(folder / FILE) == states()[2]
    return "new" if version == 2 else "old"


def state_of(file: Path) -> str:
    """All that a file holds, but the time of its migration."""
    with raw(file) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        lines = [line for line in connection.iterdump() if 'INSERT INTO "_sqlite_migrations"' not in line]
    return "\n".join([str(version), *lines])


@cache
def states() -> dict[int, str]:
    """What a file holds by its format."""
    with TemporaryDirectory() as text:
        folder = Path(text) / "log"
        prepare_format_1(folder)
        before = state_of(folder / FILE)
        migrate(folder)
        return {1: before, 2: state_of(folder / FILE)}


# --- restore -----------------------------------------------------------------------------------------------


def prepare_log_and_backup(folder: Path) -> None:
    """A log that was killed with 9 events, the last in its -wal, and a backup of its first 5."""
    leave_killed(folder / "log", events(5))
    copy_log(folder / "log" / FILE, folder / "backup.sqlite")
    leave_killed(folder / "log", events(3, "later"), [event("last")])


def restore(folder: Path, tell: Callable[[], object]) -> None:
    quiet = {"copying": ignore, "checking": ignore}
    with closing(Restoration.prepare(folder / "log", folder / "backup.sqlite", **quiet)) as restoration:
        restoration.commit(clock=SetClock(), new_id=new_ids(9))
        tell()


def ignore(_done: int, _total: int) -> None:
    pass


def judge_restore(folder: Path) -> str:
    with inline_log(folder / "log") as log:
        assert not log.created, "no log was there"
        ids, reason = ids_in(log), log.epoch_reason
        (appended,) = log.append_now([event("next")])
        epoch = log.epoch_number(log.epoch)
    assert sorted(path.name for path in (folder / "log").glob("restore.[0-9]*")) == []
    old = [f"e-{at}" for at in range(1, 6)] + [f"later-{at}" for at in range(1, 4)] + ["last"]
    if reason == "created":
        assert ids == old
        assert appended.sequence == 10
        return "old"
    assert (ids, reason, epoch, appended.sequence) == (old[:5], "restored", EPOCH_STEP, 1)
    (aside,) = old_logs(folder / "log")  # an empty folder beside it may be left by a kill
    assert (aside.reason, aside.progress) == ("restored", "pending")
    with inline_log(aside.folder) as kept:
        assert ids_in(kept) == old
        assert kept.head(Stream.SALES) == Place(1, 9)
    assert check_log(folder / "log" / FILE).whole
    return "new"


# --- backup ------------------------------------------------------------------------------------------------


def prepare_log_and_older_backup(folder: Path) -> None:
    leave_killed(folder / "log", events(3))
    copy_log(folder / "log" / FILE, folder / "backup.sqlite")
    leave_killed(folder / "log", [event("e-4")], [event("e-5")])


def back_up(folder: Path, tell: Callable[[], object]) -> None:
    copy_log(folder / "log" / FILE, folder / "backup.sqlite")
    tell()


def judge_backup(folder: Path) -> str:
    found = check_log(folder / "backup.sqlite")
    assert found.whole
    assert found.events["sales"] in (3, 5, 6)  # with that of a judge before
    back_up(folder, lambda: None)
    assert ids_in(folder / "backup.sqlite") == BEFORE
    assert {path.name for path in folder.iterdir()} == {"log", "backup.sqlite"}, "a draft is left"
    assert judge_opening(folder) == "old"
    return "old" if found.events["sales"] == 3 else "new"


WORKS: Final = {
    "first opening": Work(prepare_nothing, open_and_append, judge_first_opening),
    "opening after a kill": Work(prepare_killed, open_and_append, judge_opening),
    "opening after a close": Work(prepare_closed, open_and_append, judge_opening),
    "putting aside": Work(prepare_damaged, open_and_append, judge_put_aside),
    "putting aside what was condemned": Work(prepare_condemned, open_and_append, judge_condemned),
    "migration": Work(prepare_format_1, migrate, judge_migration),
    "backup": Work(prepare_log_and_older_backup, back_up, judge_backup),
    "restore": Work(prepare_log_and_backup, restore, judge_restore),
}
