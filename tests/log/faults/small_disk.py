"""A real, small file system of its own, run full and made read-only under the log.

`unshare --mount python -m tests.log.faults.small_disk KIND FOLDER` with a KIND of tmpfs, ext4 or read-only prints what
it saw, as JSON. In a mount namespace of its own nothing is left behind, however it ends.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import which
from typing import Any, Final

from agent.errors import EnvironmentFault, StorageFailed
from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, EventLog
from tests.log.told import Told
from tests.log.world import SetClock, event, finish, inline_log

__all__ = ["Report", "give_up", "main", "mounted"]

SIZE_BYTES: Final = 56 * 1_048_576
SMALL: Final = {"ballast_bytes": 12_582_912, "reserve_bytes": 1_048_576}
STREAMS: Final = (Stream.SALES, Stream.SENSOR)


@dataclass
class Report:
    """What was seen."""

    acknowledged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    after_it: list[str] = field(default_factory=list)
    """What worked again, in order."""
    refused_open: str = ""
    problems: list[str] = field(default_factory=list)


class Shop:
    """Appends as long as the disk lets it, and knows what it was told."""

    def __init__(self, log: EventLog, told: Told, report: Report) -> None:
        self._log = log
        self._told = told
        self._report = report

    def append(self, size: int) -> bool:
        """Whether one call was taken."""
        name = f"call-{len(self._told.sent)}"
        call = [(str(STREAMS[at % 2]), f"{name}-{at}") for at in range(size)]
        self._told.sent[name] = call
        try:
            answers = self._log.append_now([event(event_id, stream=Stream(stream)) for stream, event_id in call])
        except EnvironmentFault as fault:
            kind = type(fault).__name__
            self._report.refused[kind] = self._report.refused.get(kind, 0) + 1
            return False
        self._told.answered[name] = [(one.stream, 1, one.sequence, one.id) for one in answers]
        self._report.acknowledged += size
        return True

    def fill(self) -> None:
        """Large calls first, then ever smaller ones, until not one event is taken."""
        for size in (500, 50, 5, 1):
            while self.append(size):
                pass

    def advance(self) -> bool:
        """Whether both consumers' cursors could be moved to the end."""
        try:
            for stream in STREAMS:
                place = self._log.head(stream)
                self._told.move(stream, place)
                finish(self._log.advance(CLOUD, stream, place))
                self._told.moved(stream, place)
                finish(self._log.advance(DAY_CLOSE, stream, place))
        except EnvironmentFault:
            return False
        return True

    def clear_away(self, clock: SetClock) -> None:
        clock.move(days=4)
        self._told.may_go = {stream: self._log.cursor(CLOUD, stream) for stream in STREAMS}
        while finish(self._log.prune()):
            pass


def run_full(folder: Path, report: Report, told: Told) -> None:
    """The log and others fill the disk; then the others go, and in the end they come back."""
    others, clock = folder / "of-others", SetClock()
    others.write_bytes(bytes(SIZE_BYTES // 3))
    with inline_log(folder, clock, **SMALL) as log:
        finish(log.prune())  # takes the ballast, while there is room
        Shop(log, told, report).fill()
        if len(log.read(Stream.SALES, log.cursor(CLOUD, Stream.SALES), events_max=10, bytes_max=100_000)) == 10:
            report.after_it.append("read")
    others.unlink()
    with inline_log(folder, clock, **SMALL) as log:
        finish(log.prune())
        shop = Shop(log, told, report)
        if shop.append(50):
            report.after_it.append("append when there is room")
        shop.fill()
        take_all(others)
        if shop.advance():
            report.after_it.append("move cursors when full")
            shop.clear_away(clock)
        if shop.append(50):
            report.after_it.append("append after retention")


def take_all(file: Path) -> None:
    """Whatever room there is."""
    with suppress(OSError), file.open("ab", buffering=0) as others:
        while others.write(bytes(4_096)):
            pass


def go_read_only(folder: Path, report: Report, told: Told) -> None:
    """The kernel gives the file system up while the log is open, as it does when a card fails."""
    with inline_log(folder) as log:
        shop = Shop(log, told, report)
        for _ in range(5):
            shop.append(20)
        give_up(folder)
        for _ in range(5):
            shop.append(20)
        if len(log.read(Stream.SALES, log.cursor(CLOUD, Stream.SALES), events_max=10, bytes_max=100_000)) == 10:
            report.after_it.append("read")
    try:
        with inline_log(folder):
            report.problems.append("a read-only log opened for writing")
    except StorageFailed as fault:
        report.refused_open = str(fault)


def give_up(folder: Path) -> None:
    """As the kernel does with a card that fails: it can be read, and no longer written."""
    subprocess.run(["mount", "-o", "remount,abort", folder], check=False, capture_output=True)


@contextmanager
def mounted(kind: str, root: Path) -> Iterator[Path]:
    """A small file system of a kind of its own, tmpfs or ext4, for the length of a block."""
    folder = root / "disk"
    folder.mkdir()
    mount: list[Any] = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", folder]  # Any: texts and paths
    if kind == "ext4":
        image = root / "image"
        image.write_bytes(bytes(SIZE_BYTES))
        make = which("mkfs.ext4", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert make, "apt-get install e2fsprogs"
        subprocess.run([make, "-q", image], check=True)
        mount = ["mount", "-o", "loop", image, folder]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def main() -> None:
    """One story on one file system."""
    kind, root = sys.argv[1], Path(sys.argv[2])
    report, told = Report(), Told()
    with mounted("tmpfs" if kind == "tmpfs" else "ext4", root) as folder:
        (go_read_only if kind == "read-only" else run_full)(folder, report, told)
        copied = root / "copied"
        shutil.copytree(folder, copied, ignore=shutil.ignore_patterns("lost+found", "of-others", "*-shm"))
        report.problems += told.broken_promises(copied)
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
