"""From the event loop to the shelf: nothing waits for it, and what comes too fast or again is left out (D1)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import Problem
from agent.refused import RefusedBodies, RefusedBody, RefusedShelf
from agent.refused.bodies import BURST_BODIES, REPEATED_AFTER_S, WAITING_MAX
from agent.refused.body import HEAD_BYTES_MAX
from tests.log.world import SetClock

pytestmark = pytest.mark.case("D1")

WRONG = (Problem("data.quantity", "a float", "a decimal string"),)


class Kept:
    """Refused bodies at work over a folder."""

    def __init__(self, folder: Path, clock: SetClock, *, days: int = 3, disk_free_bytes_min: int = 0) -> None:
        self.clock = clock
        self.shelf = RefusedShelf(folder / "refused")
        self.bodies = RefusedBodies(folder / "refused", days, disk_free_bytes_min, clock)

    def keep(self, body: bytes, *, producer: str = "till-1") -> None:
        self.bodies.keep(producer, "process 7 of user 1000", "event_refused", WRONG, body)

    async def kept(self) -> list[RefusedBody]:
        await self.bodies.settled()
        return self.shelf.bodies()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["Kept"]:
        task = asyncio.create_task(self.bodies.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_d1_a_refused_body_is_kept_as_it_came_with_when_whose_and_why(tmp_path: Path) -> None:
    clock = SetClock()
    body = b'{"type": "pos.scan.v1", "data": {"quantity": 1.5}}\xff\x00'
    async with Kept(tmp_path, clock).at_work() as kept:
        kept.keep(body)
        (found,) = await kept.kept()
    assert (found.at, found.producer, found.peer) == (clock.now, "till-1", "process 7 of user 1000")
    assert (found.refusal, found.size_bytes, found.head, found.withheld) == ("event_refused", len(body), body, "")
    assert [str(one) for one in found.problems] == ["data.quantity: a float; expected a decimal string"]


async def test_d1_all_of_a_burst_are_kept_in_their_order(tmp_path: Path) -> None:
    async with Kept(tmp_path, SetClock()).at_work() as kept:
        for number in range(WAITING_MAX):
            kept.keep(b"%d" % number)
        assert [body.head for body in await kept.kept()] == [b"%d" % number for number in range(WAITING_MAX)]


async def test_d1_only_the_head_of_a_large_body_waits_and_is_kept(tmp_path: Path) -> None:
    async with Kept(tmp_path, SetClock()).at_work() as kept:
        kept.keep(b"x," * 2_000_000)
        (found,) = await kept.kept()
    assert (len(found.head), found.size_bytes) == (HEAD_BYTES_MAX, 4_000_000)


async def test_d1_nothing_is_kept_unless_asked_for_and_what_was_kept_goes(tmp_path: Path) -> None:
    async with Kept(tmp_path, SetClock()).at_work() as kept:
        kept.keep(b"{")
        assert len(await kept.kept()) == 1
    async with Kept(tmp_path, SetClock(), days=0).at_work() as off:
        off.keep(b"[")
        await until(lambda: off.shelf.bodies() == [])


async def test_d1_a_body_with_card_data_is_told_of_and_not_kept(tmp_path: Path) -> None:
    async with Kept(tmp_path, SetClock()).at_work() as kept:
        kept.keep(b'{"note": "4111 1111 1111 1111"')
        (found,) = await kept.kept()
    assert (found.withheld, found.head, found.size_bytes) == ("card data", b"", 30)
    assert all(b"4111" not in file.read_bytes() for file in (tmp_path / "refused").iterdir())


async def test_d1_the_same_body_again_is_kept_once_a_day(tmp_path: Path) -> None:
    async with Kept(tmp_path, clock := SetClock()).at_work() as kept:
        for _ in range(50):
            kept.keep(b"{")
            kept.keep(b"{", producer="till-2")
        assert [body.producer for body in await kept.kept()] == ["till-1", "till-2"]
        clock.move(seconds=REPEATED_AFTER_S)
        kept.keep(b"{")
        assert len(await kept.kept()) == 3


async def test_d1_more_than_a_burst_is_left_out_until_time_has_gone_by(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Kept(tmp_path, clock := SetClock()).at_work() as kept:
        for number in range(BURST_BODIES + 20):
            kept.keep(b"%d" % number)
            await kept.bodies.settled()
        assert len(await kept.kept()) == BURST_BODIES
        assert sum("refused bodies are not kept" in line for line in caplog.messages) == 1
        clock.move(seconds=60)
        kept.keep(b"%d" % (BURST_BODIES + 1))  # it was left out, so it counts as new
        assert len(await kept.kept()) == BURST_BODIES + 1


async def test_d1_they_go_after_their_days_though_no_other_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.refused.bodies.TIDY_INTERVAL_S", 0.01)
    async with Kept(tmp_path, clock := SetClock()).at_work() as kept:
        kept.keep(b"{")
        assert len(await kept.kept()) == 1
        clock.now += timedelta(days=3, seconds=1)
        await until(lambda: kept.shelf.bodies() == [])


async def test_d1_on_a_short_disk_nothing_is_kept_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Kept(tmp_path, SetClock(), disk_free_bytes_min=2**62).at_work() as kept:
        kept.keep(b"{")
        assert await kept.kept() == []
    assert "refused bodies are not kept" in caplog.text


async def test_d1_a_folder_that_cannot_be_used_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "refused").write_bytes(b"")
    async with Kept(tmp_path, SetClock()).at_work() as kept:
        kept.keep(b"{")
        await kept.bodies.settled()
        (tmp_path / "refused").unlink()
        kept.keep(b"{")  # what could not be written was not kept, so it is new
        assert len(await kept.kept()) == 1


async def test_d1_keeping_takes_no_time_of_the_answer_while_the_disk_hangs(tmp_path: Path) -> None:
    kept = Kept(tmp_path, SetClock())  # nobody is at work: a disk that never answers
    body = b'{"a": "' + b"4111 1111 1111 1112 " * 200_000
    began_s = time.process_time()
    for number in range(100):
        kept.keep(b"%d" % number + body)
    assert time.process_time() - began_s < 1.0
    assert kept.bodies._waiting.qsize() == WAITING_MAX


async def until(holds: object) -> None:
    assert callable(holds)
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)
