"""Kills a piece of work by SIGKILL at each of its steps, and at random moments: run by tests in a process of its own.

A step is a statement of SQL, or an operation on a file or folder. `python -m tests.log.stepwise_kills WORK FOLDER
RANDOM` prints how often the outcome was old and new, as one JSON object; an outcome that is neither is an error.
"""

import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from agent.event_types import Stream
from agent.log import Place, migrations
from agent.log.copies.backup import copy_log
from agent.log.copies.check import check_log
from agent.log.copies.restore import EPOCH_STEP, Restoration
from agent.log.damage.aside import old_logs
from tests.log.world import SetClock, event, events, inline_log, new_ids, raw, stored_rows

__all__ = ["main", "outcomes_of"]

FILE: Final = "events.sqlite"
COMPAT: Final = Path(__file__).parent.parent / "compat"
STEPS_MAX: Final = 400
FILE_STEPS: Final = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "fcntl.flock"})


RANDOM_KILLS: Final = 15
TIMEOUT_S: Final = 280.0
MEMORY: Final = Path("/dev/shm")
"""A kill, unlike a power cut, does not care whether files are on a disk."""


def outcomes_of(work: str) -> dict[str, int]:
    """How many steps the work has, and how often a kill left the old and the new; for tests."""
    with TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        child = subprocess.run(
            [sys.executable, "-m", __name__, work, folder, str(RANDOM_KILLS)],
            capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    assert child.returncode == 0, child.stderr
    outcomes: dict[str, int] = json.loads(child.stdout)
    return outcomes


class Work(NamedTuple):
    """What is killed: `do` in a folder that `prepare` filled; `judge` says old or new and raises for anything else."""

    prepare: Callable[[Path], None]
    do: Callable[[Path], object]
    judge: Callable[[Path], str]


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


def migrate(folder: Path) -> int:
    with redirect_stdout(io.StringIO()):
        return migrations.main([str(folder / FILE), str(folder / "copy.sqlite")])


def judge_migration(folder: Path) -> str:
    found = state_of(folder / FILE)
    expected = {rows: version for version, rows in STATES.items()}
    assert found in expected, "neither the old nor the new file"
    if (folder / "copy.sqlite").exists():
        assert state_of(folder / "copy.sqlite") == STATES[1]
    version = expected[found]
    if version == 2:
        assert (folder / "copy.sqlite").exists(), "changed without a copy"
    assert migrate(folder) == 0
    assert state_of(folder / FILE) == STATES[2]
    return "new" if version == 2 else "old"


def state_of(file: Path) -> str:
    """All that a file holds, but the time of its migration."""
    with raw(file) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        lines = [line for line in connection.iterdump() if 'INSERT INTO "_sqlite_migrations"' not in line]
    return "\n".join([str(version), *lines])


STATES: Final[dict[int, str]] = {}


def remember_states(folder: Path) -> None:
    prepare_format_1(folder)
    STATES[1] = state_of(folder / FILE)
    assert migrate(folder) == 0
    STATES[2] = state_of(folder / FILE)


# --- restore -----------------------------------------------------------------------------------------------


def prepare_log_and_backup(folder: Path) -> None:
    """A log that was killed with 9 events, the last in its -wal, and a backup of its first 5."""
    source = folder / "source"
    with inline_log(source) as log:
        log.append_now(events(5))
        copy_log(log.file, folder / "backup.sqlite")
        log.append_now(events(3, "later"))
    with inline_log(source) as log:
        log.append_now([event("last")])
        (folder / "log").mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(source / f"{FILE}{suffix}", folder / "log")


def restore(folder: Path) -> None:
    quiet = {"copying": ignore, "checking": ignore}
    with closing(Restoration.prepare(folder / "log", folder / "backup.sqlite", **quiet)) as restoration:
        restoration.commit(clock=SetClock(), new_id=new_ids(9))


def ignore(_done: int, _total: int) -> None:
    pass


def judge_restore(folder: Path) -> str:
    with inline_log(folder / "log") as log:
        assert not log.created, "no log was there"
        ids, reason = [row[3] for row in stored_rows(log)], log.epoch_reason
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
        assert [row[3] for row in stored_rows(kept)] == old
        assert kept.head(Stream.SALES) == Place(1, 9)
    assert check_log(folder / "log" / FILE).whole
    return "new"


WORKS: Final = {
    "migration": Work(prepare_format_1, migrate, judge_migration),
    "restore": Work(prepare_log_and_backup, restore, judge_restore),
}

# --- killing -----------------------------------------------------------------------------------------------


def die_at(step: int, folder: Path) -> None:
    """End this process by SIGKILL right before its step of that number."""
    steps = count(1)

    def take(what: str = "") -> None:
        if not what.startswith("SELECT") and next(steps) == step:  # nothing has changed since the step before
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(name: str, arguments: tuple[Any, ...]) -> None:  # Any: whatever an audit event carries
        if name in FILE_STEPS and (name == "fcntl.flock" or str(folder) in str(arguments[0])):
            take()

    def connect(*arguments: Any, **keywords: Any) -> sqlite3.Connection:  # Any: sqlite3's own parameters
        connection: sqlite3.Connection = connected(*arguments, **keywords)
        connection.set_trace_callback(take)
        return connection

    connected = sqlite3.connect
    sqlite3.connect = connect  # type: ignore[assignment]  # in this child only: statements are steps
    sys.addaudithook(hear)


def live(work: Work, folder: Path, *, step: int = 0, life_s: float | None = None) -> bool:
    """Do the work in a child that dies at a step or after a time; whether it came to its end."""
    child = os.fork()
    if child == 0:
        die_at(step, folder)
        os._exit(1 if work.do(folder) else 0)
    if life_s is not None:
        time.sleep(life_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the work failed: {status}"
    return not os.WIFSIGNALED(status)


def main() -> None:
    """Steps first, one after the other until the work is done before its turn comes; then random moments."""
    work, folder, random_kills = WORKS[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3])
    if work.do is migrate:
        remember_states(folder / "states")
    outcomes: Counter[str] = Counter()
    started_s = time.monotonic()
    for step in range(1, STEPS_MAX):
        place = folder / f"step-{step}"
        work.prepare(place)
        done = live(work, place, step=step)
        outcomes[work.judge(place)] += 1
        shutil.rmtree(place)
        if done:
            break
    else:
        raise AssertionError("more steps than expected: raise STEPS_MAX")
    length_s, random = (time.monotonic() - started_s) / step, Random(20260302)
    for number in range(random_kills):
        place = folder / f"random-{number}"
        work.prepare(place)
        live(work, place, life_s=random.uniform(0, length_s))
        outcomes[work.judge(place)] += 1
        shutil.rmtree(place)
    json.dump({"steps": step, **outcomes}, sys.stdout)


if __name__ == "__main__":
    main()
