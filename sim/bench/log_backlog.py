"""A log with a backlog: filled once for all benchmarks that need one, and what filling it wrote to the disk."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.data_folder import DataFolder
from agent.events import Draft
from sim.bench.log_ceilings import Rows, bare_file, bare_rows, commit_rows, stored_rows
from sim.bench.log_work import EventMaker, append_concurrently, open_log, random_ids, timed_ids

__all__ = ["Backlog", "Written"]

FILLED_AT_ONCE: Final = 4_000
MEASURED_SHARE: Final = 10
MEASURED_MAX: Final = 200_000  # they are in memory as drafts and as rows
WRITER_THREAD: Final = "log-writer"


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes that went to the disk for each of a backlog's last events, by the log and by a bare table.

    In memory (tmpfs) both are 0.
    """

    log_bytes: float
    bare_bytes: float
    body_bytes: float


class Backlog:
    """The folders of an agent with a backlog and of one with an empty log. They are filled at their first use."""

    def __init__(self, folder: Path, events: int, clock: Clock) -> None:
        self.events: Final = events
        self._folder = folder
        self._clock = clock
        self._timed: Written | None = None

    def filled(self) -> DataFolder:
        """An agent's folder whose log holds the events, with UUIDv7 as ids."""
        self.written()
        return DataFolder(self._folder / "filled")

    def empty(self) -> DataFolder:
        """An agent's folder with an empty log."""
        return DataFolder(self._folder / "empty")

    def written(self) -> Written:
        """What filling it wrote."""
        if self._timed is None:
            self._timed = self._fill(DataFolder(self._folder / "filled").log, timed_ids(self._clock))
        return self._timed

    def written_with_random_ids(self) -> Written:
        """The same for a log of its own, with UUIDv4 as ids."""
        return self._fill(self._folder / "random", random_ids(9))

    def _fill(self, log_folder: Path, new_id: Callable[[], str]) -> Written:
        log_folder.mkdir(parents=True)
        maker = EventMaker(self._clock, new_id)
        measured = min(self.events // MEASURED_SHARE, MEASURED_MAX)
        log_bytes, commits = asyncio.run(self._append(log_folder, maker, measured))
        rows = bare_rows(stored_rows(log_folder / "events.sqlite", commits))
        bodies = [body for commit in rows for inserted in commit.values() for _, body in inserted]
        bare_bytes = self._bare(log_folder, rows)
        body_bytes = sum(len(body) for body in bodies if isinstance(body, bytes))
        return Written(log_bytes / measured, bare_bytes / measured, body_bytes / measured)

    async def _append(self, log_folder: Path, maker: EventMaker, measured: int) -> tuple[int, list[Sequence[Draft]]]:
        log = open_log(log_folder, self._clock)
        before = self.events - measured
        for at in range(0, before, FILLED_AT_ONCE):
            await append_concurrently(log, maker.drafts(min(FILLED_AT_ONCE, before - at)))
        commits: list[Sequence[Draft]] = []
        log.add_listener(commits.append)
        writer = next(thread.native_id for thread in threading.enumerate() if thread.name == WRITER_THREAD)
        before_bytes = _written_bytes(Path(f"/proc/self/task/{writer}/io"))
        await append_concurrently(log, maker.drafts(measured))
        log_bytes = _written_bytes(Path(f"/proc/self/task/{writer}/io")) - before_bytes
        await log.close()
        return log_bytes, commits

    def _bare(self, log_folder: Path, rows: list[Rows]) -> int:
        with bare_file(log_folder) as connection:
            before_bytes = _written_bytes(Path("/proc/thread-self/io"))
            commit_rows(connection, rows, self._clock)
            written = _written_bytes(Path("/proc/thread-self/io")) - before_bytes
        (log_folder / "bare.sqlite").unlink()
        return written


def _written_bytes(io: Path) -> int:
    """What a thread had written to a disk so far (proc_pid_io(5))."""
    return next(
        int(line.split()[1]) for line in io.read_text(encoding="ascii").splitlines() if line.startswith("write_bytes")
    )
