"""The mission loop: a sign of life before each round, and every stall counted and told."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from agent.fleet.mission_loop import MissionLoop


class ScriptedClock:
    """A clock whose readings a test writes; it stands still afterwards."""

    def __init__(self, readings_s: Iterable[float]) -> None:
        self._readings_s = iter(readings_s)
        self._last_s = 0.0

    def monotonic_s(self) -> float:
        self._last_s = next(self._readings_s, self._last_s)
        return self._last_s

    def wall(self) -> datetime:
        return datetime(2026, 3, 2, 12, tzinfo=UTC)


async def rounds(clock: ScriptedClock, count: int) -> tuple[MissionLoop, list[str]]:
    """So many rounds of a loop, and the calls that it made."""
    calls: list[str] = []
    wake = asyncio.Event()

    def work() -> None:
        calls.append("work")
        wake.set()

    loop = MissionLoop("agv-1", wake, lambda: calls.append("feed"), work, clock)
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(10):
        while calls.count("work") < count:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return loop, calls


async def test_the_sign_of_life_comes_before_the_work_of_each_round() -> None:
    _, calls = await rounds(ScriptedClock([0.0]), 3)
    assert calls[:6] == ["feed", "work"] * 3


async def test_a_stall_is_counted_with_its_length_and_told(caplog: pytest.LogCaptureFixture) -> None:
    # Readings: at the start, then two in each round.
    loop, _ = await rounds(ScriptedClock([0.0, 0.05, 0.05, 0.19, 0.19, 0.49, 0.49, 0.6]), 6)
    assert loop.stalls == 1
    assert loop.stall_s_max == pytest.approx(0.3)
    assert "busy for 300 ms, which may have stopped agv-1" in caplog.text


async def test_a_round_comes_in_time_without_being_woken() -> None:
    fed = asyncio.Semaphore(0)
    loop = MissionLoop("agv-1", asyncio.Event(), fed.release, lambda: None, ScriptedClock([0.0]))
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(10):
        for _ in range(5):
            await fed.acquire()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
