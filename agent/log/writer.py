"""The writer's thread and its queue: whoever waits together commits together (group commit).

The event loop never touches the disk for a write. The queue is bounded in events; beyond that callers are told
to slow down.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread

from agent.errors import IntakeFull, StorageFailed, StoreforwardError
from agent.log.jobs import Append, Job
from agent.log.store import Answer, Store

__all__ = ["Writer"]


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    events: int
    done: asyncio.Future[Answer]


class Writer:
    """Owns the store on a thread of its own. `submit` is called in the event loop, and answers arrive there."""

    def __init__(
        self,
        store: Store,
        *,
        queue_events_max: int,
        commit_events_max: int,
        committed: Callable[[list[tuple[Job, Answer]]], None],
    ) -> None:
        self._store = store
        self._queue_events_max = queue_events_max
        self._commit_events_max = commit_events_max
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._queued_events = 0
        self._ready = Condition()
        self._closing = False
        self.failure: asyncio.Future[None] = self._loop.create_future()
        """Fails when the thread died of a bug; the process should end then."""
        self._thread = Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def queued_events(self) -> int:
        return self._queued_events

    def submit(self, job: Job) -> asyncio.Future[Answer]:
        """Queue one job; the future has its answer once it is durable.

        Raises:
            IntakeFull: when too many events wait already.
            StorageFailed: when the log is closed.
        """
        events = len(job.drafts) if isinstance(job, Append) else 0
        if events and self._queued_events + events > self._queue_events_max:
            raise IntakeFull(f"{self._queued_events:,} events wait for the disk; send again in a moment")
        done: asyncio.Future[Answer] = self._loop.create_future()
        with self._ready:
            if self._closing:
                raise StorageFailed("the log is closed")
            self._queue.append(_Waiting(job, events, done))
            self._queued_events += events
            self._ready.notify()
        return done

    async def close(self) -> None:
        """Commit what was submitted, then end the thread."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # answers of the last commit are delivered by callbacks queued before this
        self.failure.cancel()

    def _run(self) -> None:
        try:
            while group := self._next_group():
                answers = self._store.commit([waiting.job for waiting in group])
                self._loop.call_soon_threadsafe(self._deliver, group, answers)
        except BaseException as error:  # noqa: BLE001 - the thread's edge: the event loop ends the process
            self._loop.call_soon_threadsafe(self._fail, error)

    def _next_group(self) -> list[_Waiting]:
        with self._ready:
            while not self._queue and not self._closing:
                self._ready.wait()
            group: list[_Waiting] = []
            events = 0
            while self._queue and (not group or events + self._queue[0].events <= self._commit_events_max):
                waiting = self._queue.popleft()
                events += waiting.events
                group.append(waiting)
            self._queued_events -= events
            return group

    def _deliver(self, group: list[_Waiting], answers: list[Answer]) -> None:
        for waiting, answer in zip(group, answers, strict=True):
            if waiting.done.cancelled():
                continue
            if isinstance(answer, StoreforwardError):
                waiting.done.set_exception(answer)
            else:
                waiting.done.set_result(answer)
        self._committed([(waiting.job, answer) for waiting, answer in zip(group, answers, strict=True)])

    def _fail(self, error: BaseException) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)
