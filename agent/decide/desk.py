"""Where questions are answered: on the event loop as long as that cannot hold it up, else on a thread.

An answer takes the engine 1 to 3 ms. On a thread it takes five times that, for the way back waits until a busy loop has
its turn. But the loop also gives the vehicles their sign of life, and a slow disk must not stop it. So it answers only
while what is read lies in the kernel's page cache: read through at the start, and again after an answer that had to
wait for the disk all the same. Until then the thread answers.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from resource import RUSAGE_THREAD, getrusage
from threading import Lock
from typing import Final

from agent.clock import Clock
from agent.decide.decision import Decision
from agent.decide.engine import DecisionEngine
from agent.decide.tables import read_through
from agent.decide.tables_model import LearnedModel
from agent.decide.tables_shelf import Shelf
from agent.errors import EnvironmentFault

__all__ = ["AnswerDesk", "DecisionsBusy"]

QUESTIONS_MAX: Final = 64  # at 3 ms each, the last waits 200 ms: nobody looks at an answer that old
LOOP_SHARE_MAX: Final = 0.25
"""So much of the event loop's time may go into answers; what is asked beyond that, the thread answers."""
DISK_WAIT_MAX_S: Final = 0.02  # a page now and then from a fast disk holds up nobody; vehicles stop after 0.25 s
READ_AGAIN_S: Final = 60.0  # memory that is short now will be short in a second
READ_BYTES_MAX: Final = 268_435_456  # twice what a year of a busy shop takes; larger files are left to the thread

Answer = Callable[[DecisionEngine], Decision]


class DecisionsBusy(EnvironmentFault):
    """Too many questions wait: ask again with the next change of the basket."""


class AnswerDesk:
    """One engine, asked by one at a time. `keep_in_memory` until cancelled; `close` at the end."""

    def __init__(self, learned_file: Path, catalogue_file: Path, clock: Clock) -> None:
        self._files = (learned_file, catalogue_file)
        self._clock = clock
        self._learned = LearnedModel.open(learned_file)
        self._shelf = Shelf.open(catalogue_file)
        self._engine = DecisionEngine(self._learned, self._shelf)
        self._one_at_a_time = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decide")
        self._waiting = 0
        self._loop_free_s = 0.0
        self._waited_for_disk = asyncio.Event()
        self.in_memory = False
        """Whether an answer needs no disk, as far as is known."""

    async def ask(self, answer: Answer) -> Decision:
        """What `answer` makes of the engine.

        Raises:
            DecisionsBusy: when too many questions wait for the thread.
            LearnedUnreadable, CatalogueUnreadable: when a file cannot be read.
        """
        if self._loop_has_time() and self._one_at_a_time.acquire(blocking=False):
            try:
                return self._answer_here(answer)
            finally:
                self._one_at_a_time.release()
        return await self._ask_thread(answer)

    async def keep_in_memory(self) -> None:
        """Read the files through at the start and after an answer that waited for the disk, at most once a minute."""
        while True:
            self._waited_for_disk.clear()
            self.in_memory = await asyncio.to_thread(self._read_through)
            await asyncio.sleep(READ_AGAIN_S)
            if self.in_memory:
                await self._waited_for_disk.wait()

    async def close(self) -> None:
        """Let the last question end, and let go of the files."""
        await asyncio.to_thread(self._thread.shutdown)
        self._learned.close()
        self._shelf.close()

    def _loop_has_time(self) -> bool:
        return self.in_memory and self._clock.monotonic_s() >= self._loop_free_s

    def _answer_here(self, answer: Answer) -> Decision:
        read_before, began_s = _blocks_read(), self._clock.monotonic_s()
        try:
            return answer(self._engine)
        finally:
            ended_s = self._clock.monotonic_s()
            self._loop_free_s = ended_s + (ended_s - began_s) * (1 / LOOP_SHARE_MAX - 1)
            if ended_s - began_s > DISK_WAIT_MAX_S and _blocks_read() != read_before:
                self.in_memory = False
                self._waited_for_disk.set()

    async def _ask_thread(self, answer: Answer) -> Decision:
        if self._waiting >= QUESTIONS_MAX:
            raise DecisionsBusy(f"{QUESTIONS_MAX} questions wait for an answer")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer_there, answer)
        finally:
            self._waiting -= 1

    def _answer_there(self, answer: Answer) -> Decision:
        with self._one_at_a_time:
            return answer(self._engine)

    def _read_through(self) -> bool:
        """Bring the files into the page cache; False when they are too large for that, or cannot be read."""
        try:
            for file in self._files:
                if file.stat().st_size > READ_BYTES_MAX:
                    return False
                read_through(file)
        except (OSError, EnvironmentFault):
            return False  # whoever asks the engine is told
        return True


def _blocks_read() -> int:
    """How much this thread has had to read from disks."""
    return getrusage(RUSAGE_THREAD).ru_inblock
