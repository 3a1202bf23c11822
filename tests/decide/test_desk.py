"""The event loop answers while that cannot hold it up, the thread all else; one at a time is at the engine."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_THREAD, getrusage
from threading import Event, current_thread, main_thread

import pytest

from agent.catalogue import Catalogue
from agent.decide import Decision, DecisionEngine, DecisionsBusy, Exposure, LearnedTables
from agent.decide.desk import LOOP_SHARE_MAX, QUESTIONS_MAX, READ_BYTES_MAX, AnswerDesk
from tests.decide.shop import many, open_tables, question, solve_now
from tests.log.world import NOON, SetClock

SLOW_S = 0.1


class Watch(SetClock):
    """Its monotonic time moves with the wall's."""

    def monotonic_s(self) -> float:
        return (self.now - NOON).total_seconds()


@dataclass
class Asked:
    desk: AnswerDesk
    tables: LearnedTables
    clock: Watch

    async def is_answered_here(self, took_s: float = 0.0) -> bool:
        """Ask once; whether the event loop's own thread answered."""
        answered_by = []

        def answer(engine: DecisionEngine) -> Decision:
            answered_by.append(current_thread())
            self.clock.move(seconds=took_s)
            return engine.decide(question("bread"), Exposure())

        await self.desk.ask(answer)
        return answered_by == [main_thread()]


@asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[Asked]:
    """A desk whose files are not read through yet."""
    clock = Watch()
    with open_tables(folder) as tables:
        tables.take(many(9, "bread", "butter"))
        Catalogue.open(folder / "model.sqlite").close()
        desk = AnswerDesk(tables.file, folder / "model.sqlite", clock)
        try:
            yield Asked(desk, tables, clock)
        finally:
            await desk.close()


@asynccontextmanager
async def open_warm_desk(folder: Path) -> AsyncIterator[Asked]:
    async with open_desk(folder) as asked:
        keeping = asyncio.create_task(asked.desk.keep_in_memory())
        async with asyncio.timeout(10):
            while not asked.desk.in_memory:
                await asyncio.sleep(0)
        try:
            yield asked
        finally:
            keeping.cancel()


async def test_the_loop_answers_once_the_files_were_read_through(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as cold:
        assert not await cold.is_answered_here()
    async with open_warm_desk(tmp_path) as warm:
        assert await warm.is_answered_here()


async def test_answers_take_a_quarter_of_the_loops_time_and_the_thread_gives_the_others(tmp_path: Path) -> None:
    async with open_warm_desk(tmp_path) as asked:
        assert await asked.is_answered_here(took_s=SLOW_S)
        assert not await asked.is_answered_here()
        asked.clock.move(seconds=SLOW_S * (1 / LOOP_SHARE_MAX - 1))
        assert await asked.is_answered_here()


async def test_an_answer_that_waited_for_the_disk_sends_the_next_ones_to_the_thread(tmp_path: Path) -> None:
    cold = tmp_path / "cold"
    cold.write_bytes(bytes(4_096))
    async with open_warm_desk(tmp_path) as asked:
        with cold.open("rb", buffering=0) as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

            def answer(engine: DecisionEngine) -> Decision:
                before = getrusage(RUSAGE_THREAD).ru_inblock
                file.read()
                if getrusage(RUSAGE_THREAD).ru_inblock == before:
                    pytest.skip("the temporary folder is on no disk")
                asked.clock.move(seconds=SLOW_S)
                return engine.decide(question("bread"), Exposure())

            await asked.desk.ask(answer)
        asked.clock.move(seconds=3_600)
        assert not asked.desk.in_memory
        assert not await asked.is_answered_here()


async def test_a_slow_answer_that_read_nothing_from_the_disk_stays_on_the_loop(tmp_path: Path) -> None:
    async with open_warm_desk(tmp_path) as asked:
        await asked.is_answered_here(took_s=SLOW_S)
        assert asked.desk.in_memory


async def test_files_too_large_for_memory_are_left_to_the_thread(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as asked:
        os.truncate(tmp_path / "model.sqlite", READ_BYTES_MAX + 1)  # sparse: it takes no room
        keeping = asyncio.create_task(asked.desk.keep_in_memory())
        for _ in range(20):
            assert not await asked.is_answered_here()
        keeping.cancel()


async def test_a_question_beside_another_waits_for_it_even_when_the_other_gave_up(tmp_path: Path) -> None:
    """A client that hangs up leaves the thread at the engine."""
    begun, may_end = Event(), Event()

    def answer(engine: DecisionEngine) -> Decision:
        begun.set()
        may_end.wait(10)
        return engine.decide(question("bread"), Exposure())

    async with open_desk(tmp_path) as asked:
        first = asyncio.create_task(asked.desk.ask(answer))
        await asyncio.to_thread(begun.wait, 10)
        first.cancel()
        asked.desk.in_memory = True
        second = asyncio.create_task(asked.is_answered_here())
        await asyncio.sleep(0)
        assert not second.done()
        may_end.set()
        assert not await second
        assert await asked.is_answered_here()


async def test_when_too_many_wait_for_the_thread_the_next_is_told_so(tmp_path: Path) -> None:
    may_end = Event()

    def answer(engine: DecisionEngine) -> Decision:
        may_end.wait(10)
        return engine.decide(question("bread"), Exposure())

    async with open_desk(tmp_path) as asked:
        waiting = [asyncio.create_task(asked.desk.ask(answer)) for _ in range(QUESTIONS_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(DecisionsBusy, match="64 questions wait"):
            await asked.desk.ask(answer)
        may_end.set()
        assert len(await asyncio.gather(*waiting)) == QUESTIONS_MAX


async def test_what_is_learned_or_solved_counts_in_the_next_answer_on_the_loop(tmp_path: Path) -> None:
    async with open_warm_desk(tmp_path) as asked:

        async def version() -> str:
            asked.clock.move(seconds=1)
            assert asked.desk.in_memory
            return (await asked.desk.ask(lambda engine: engine.decide(question("bread"), Exposure()))).model_version

        assert await version() == "popularity"
        asked.tables.take(many(20, "bread", "butter", first_key=100))
        assert await version() == "popularity"
        assert await version() == "popularity"
        solved = solve_now(asked.tables)
        assert await version() == solved
