"""The writer's thread and its queue: whoever waits together commits together (group commit).

The event loop never touches the disk for a write. The queue is bounded in events; beyond that callers are told
to slow down.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from agent.errors import IntakeFull, StorageFailed, StoreforwardError
from agent.log.jobs import Append, Job, Merge, Prune
from agent.log.store import Answer, Store

__all__ = ["Writer"]


class _Waiting(NamedTuple):
    job: Job
    events: int
    done: asyncio.Future[Answer]


class Writer:
    """Owns the store on a thread of its own. All methods belong to the event loop, and answers arrive there."""

    def __init__(
        self,
        store: Store,
        *,
        queue_events_max: int,
        commit_events_max: int,
        committed: Callable[[Iterable[tuple[Job, Answer]]], None],
    ) -> None:
        self._store = store
        self._queue_events_max = queue_events_max
        self._commit_events_max = commit_events_max
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        """For the thread; None ends it."""
        self._unanswered: deque[_Waiting] = deque()
        """What was submitted, in order; the event loop's own."""
        self._queued_events = 0
        self._closed = ""
        """Why nothing more is taken; empty while open."""
        self.failure: asyncio.Future[None] = self._loop.create_future()
        """Fails when the thread died of a bug; the process should end then."""
        self._thread = Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def queued_events(self) -> int:
        """Events submitted and not yet answered."""
        return self._queued_events

    def submit(self, job: Job) -> asyncio.Future[Answer]:
        """Queue one job; the future has its answer once it is durable.

        Raises:
            IntakeFull: when too many events wait already.
            StorageFailed: when the log is closed.
        """
        if self._closed:
            raise StorageFailed(self._closed)
        events = len(job.drafts) if isinstance(job, Append) else 0
        if events and self._queued_events and self._queued_events + events > self._queue_events_max:
            raise IntakeFull(f"{self._queued_events:,} events wait for the disk; send again in a moment")
        waiting = _Waiting(job, events, self._loop.create_future())
        self._queued_events += events
        self._unanswered.append(waiting)
        self._queue.put(waiting)
        return waiting.done

    def bytes_written(self) -> int | None:
        """What the thread gave to the disk so far; None where the kernel does not count (proc(5), /proc/PID/io)."""
        try:
            told = Path(f"/proc/self/task/{self._thread.native_id}/io").read_text(encoding="ascii")
        except OSError:
            return None
        return next((int(line.split()[1]) for line in told.splitlines() if line.startswith("write_bytes:")), None)

    async def close(self) -> None:
        """Commit what was submitted, then end the thread."""
        self._closed = self._closed or "the log is closed"
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)  # the last answers were handed to the loop before this returns
        self.failure.cancel()

    def _run(self) -> None:
        try:
            for group in self._groups():
                answers = self._store.commit([waiting.job for waiting in group])
                self._loop.call_soon_threadsafe(self._deliver, answers)
        except BaseException as error:  # noqa: BLE001 - the thread's edge: the event loop ends the process
            self._loop.call_soon_threadsafe(self._fail, error)

    def _groups(self) -> Iterator[list[_Waiting]]:
        """What waits, in portions of one commit, of at least one job; retention and merging go alone."""
        group: list[_Waiting] = []
        room = self._commit_events_max
        while True:
            try:
                waiting = self._queue.get(block=not group)
            except Empty:
                yield group
                group, room = [], self._commit_events_max
                continue
            alone = waiting is not None and isinstance(waiting.job, Prune | Merge)
            if group and (waiting is None or alone or waiting.events > room):
                yield group
                group, room = [], self._commit_events_max
            if waiting is None:
                return
            group.append(waiting)
            room = -1 if alone else room - waiting.events

    def _deliver(self, answers: Sequence[Answer]) -> None:
        """Answer those who have waited longest."""
        done: list[tuple[Job, Answer]] = []
        for answer in answers:
            waiting = self._unanswered.popleft()
            self._queued_events -= waiting.events
            done.append((waiting.job, answer))
            if waiting.done.done():  # its caller gave up
                continue
            if isinstance(answer, StoreforwardError):
                waiting.done.set_exception(answer)
            else:
                waiting.done.set_result(answer)
        try:
            self._committed(done)
        except Exception as bug:  # noqa: BLE001 - a listener's: what is durable was answered, and the process ends
            if not self.failure.done():
                self.failure.set_exception(bug)

    def _fail(self, error: BaseException) -> None:
        """The thread is gone: nobody may wait for it."""
        self._closed = f"the log's writer failed: {error!r}"
        self._deliver([StorageFailed(self._closed) for _ in self._unanswered])
        self.failure.set_exception(error)
