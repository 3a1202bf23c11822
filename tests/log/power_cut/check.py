"""Lives a history under the tap, then opens the real log on the states its disk may have after a cut of the power.

`python -m tests.log.power_cut.check KIND SEED STEPS` under the tap (see `run_tapped`) prints what it saw, as JSON.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from errno import EIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from agent.errors import StorageFailed
from agent.log.mark import MARK
from tests.log.disk.disk_tap import MEMORY, Call, Tap
from tests.log.power_cut.disk_model import Disk, Plan, State, crash_states, operations
from tests.log.power_cut.history import History
from tests.log.told import Told, WrongWords

__all__ = ["Check", "Promises", "Report", "contents", "main"]

NOT_KEPT: Final = ("-shm", "lock")
"""Shared memory and the owner's process id: whatever they hold after a cut, nobody may read it."""
NO_FILES_INODE: Final = 1
PROBLEMS_MAX: Final = 5
"""Enough: nothing more is tried then."""
RECOVERIES_EVERY: Final = 120
"""Of so many states one is recovered under the tap, and its recovery is cut again."""
_RECOVERY: Final = Plan(all_subsets_of=5, subsets=4, scattered=4, torn=4)


@dataclass
class Report:
    """What was tried, and what was found."""

    operations: int = 0
    cuts: int = 0
    states: int = 0
    states_in_recovery: int = 0
    losing: int = 0
    """States that broke a promise."""
    problems: list[str] = field(default_factory=list)


class Promises(Protocol):
    """What was said, and whether a folder keeps to it."""

    @property
    def promises(self) -> str: ...

    def hear(self, mark: bytes) -> None: ...

    def broken_promises(self, folder: Path) -> list[str]: ...


class Check:
    """The states of one history. `scratch` is a folder for its files."""

    def __init__(self, scratch: Path, plan: Plan, random: Random) -> None:
        self.report = Report()
        self._tap = Tap()
        self._scratch = scratch
        self._plan = plan
        self._random = random
        self._seen: set[bytes] = set()

    def run(self, live: Callable[[Path, Tap], None], told: Promises, safe: State | None = None) -> Report:
        """Record what `live` does on a folder, new or with what is safe on it, and try every cut of it."""
        for cut, disk in self._record("life", safe or State({}), live, told):
            self.report.cuts += 1
            for state in self._new_states(disk, self._plan, told):
                self.report.states += 1
                self._judge(f"cut {cut}", state, told)
                if self.report.states % RECOVERIES_EVERY == 0:
                    self._cut_recovery(f"cut {cut}", state, told)
                if len(self.report.problems) >= PROBLEMS_MAX:
                    return self.report
        return self.report

    def _record(
        self, name: str, safe: State, live: Callable[[Path, Tap], None], told: Promises
    ) -> Iterator[tuple[int, Disk]]:
        """The disk before each sync and at the end: between two syncs it can be no other way."""
        folder, trace = self._folder(name, safe), self._scratch / f"{name}.trace"
        with self._tap.watching(folder, trace):
            live(folder, self._tap)
        disk, at = Disk(safe), 0
        for at, done in enumerate(operations(trace.read_bytes())):
            if done.makes_durable:
                yield at, disk
            if done.kind == "M":
                told.hear(done.body)
            disk.apply(done)
        self.report.operations += at
        yield at, disk
        assert _comparable(disk.now) == _comparable(contents(folder)), "the tap missed a call"

    def _new_states(self, disk: Disk, plan: Plan, told: Promises) -> Iterator[State]:
        """Those not tried yet with the same promises."""
        promises = told.promises.encode()
        for state in crash_states(disk, plan, self._random, NOT_KEPT):
            digest = hashlib.blake2b(promises)
            for name in sorted(state):
                digest.update(name.encode() + b"\0" + len(state[name]).to_bytes(8, "big") + state[name])
            if digest.digest() not in self._seen:
                self._seen.add(digest.digest())
                yield state

    def _judge(self, where: str, state: State, told: Promises) -> None:
        folder = self._folder("state", state)
        if self._random.random() < 0.25:
            for name in state:
                if name.endswith("events.sqlite"):
                    (folder / f"{name}-shm").write_bytes(self._random.randbytes(32_768))  # of an earlier boot
        if problems := told.broken_promises(folder):
            self.report.losing += 1
            self.report.problems += [f"{where}: {problem}" for problem in problems]
            del self.report.problems[PROBLEMS_MAX:]

    def _cut_recovery(self, where: str, state: State, told: Promises) -> None:
        """The power goes again while the log recovers and takes up its work."""

        def recover(folder: Path, tap: Tap) -> None:
            del tap
            told.broken_promises(folder)

        for cut, disk in self._record("recovery", state, recover, told):
            for again in self._new_states(disk, _RECOVERY, told):
                self.report.states_in_recovery += 1
                self._judge(f"{where}, recovery cut {cut}", again, told)

    def _folder(self, name: str, state: State) -> Path:
        folder = self._scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file, body in sorted(state.items()):
            if file.endswith("/"):
                (folder / file).mkdir()
            else:
                (folder / file).write_bytes(body)
        for file in state:
            if file.endswith(MARK):
                _give_inodes(folder, file, state)
        return folder


def contents(folder: Path) -> State:
    """All files and folders below one."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    files = {name: path for name, path in found.items() if path.is_file()}
    return State(
        {name: path.read_bytes() for name, path in files.items()}
        | {f"{name}/": b"" for name, path in found.items() if path.is_dir()},
        {path.stat().st_ino: name for name, path in files.items()},
    )


def _give_inodes(folder: Path, mark: str, state: State) -> None:
    """The log's mark knows files by their inodes: those that they have in this folder."""
    with suppress(ValueError, AttributeError):
        told = json.loads(state[mark])
        for key, inode in told.items():
            if isinstance(inode, int) and inode:
                name = state.inodes.get(inode, "")
                told[key] = (folder / name).stat().st_ino if name in state else NO_FILES_INODE
        (folder / mark).write_text(json.dumps(told).ljust(len(state[mark])))


def _comparable(state: State) -> Mapping[str, bytes]:
    return {name: body for name, body in state.items() if not name.endswith(("-shm", MARK))}


def main() -> None:
    """One history of a kind: `short`, `long`, or `failing` with a sync that fails."""
    WrongWords.forbid()
    kind, seed, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    def live(folder: Path, tap: Tap) -> None:
        history = History(folder, tap, seed)
        if kind == "short":
            history.short()
        elif kind == "long":
            history.long(steps)
        else:
            for start in range(1, steps + 1):
                tap.fail(Call.SYNC, (".sqlite", "-wal", "/")[start % 3], start=start % 4 + 1, error=EIO)
                try:
                    history.long(3)
                except StorageFailed:
                    continue
        history.end()

    plan = Plan(all_subsets_of=10, scattered=60, torn=60) if kind == "short" else Plan()
    with TemporaryDirectory(dir=MEMORY) as scratch:
        json.dump(asdict(Check(Path(scratch), plan, Random(seed)).run(live, Told())), sys.stdout)


if __name__ == "__main__":
    main()
