"""What the agent does by itself: epochs on record, days closed, health told, delivered events cleared away."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import CLOUD, DAY_CLOSE, START, EventLog
from agent.settings import LogSettings, SiteSettings
from agent.topics import DeviceName
from agent.upkeep.day_close import DayCloser
from agent.upkeep.housekeeping import Housekeeping
from tests.examples import EXAMPLES
from tests.waiting import until


class ShopTime:
    """A wall clock that the test turns."""

    def __init__(self) -> None:
        self.now = self.started = datetime(2026, 3, 6, 10, tzinfo=UTC)

    def wall(self) -> datetime:
        return self.now

    def monotonic_s(self) -> float:
        return (self.now - self.started).total_seconds()


class Keeper:
    """A log with its housekeeping."""

    def __init__(self, folder: Path, settings: LogSettings) -> None:
        self.clock = ShopTime()
        ids = count(1)
        new_id = lambda: f"id-{next(ids)}"  # noqa: E731 - a factory of ids
        self.log = EventLog.open(folder, settings, clock=self.clock, new_id=new_id)
        self.decoder = EventDecoder(Origin(DeviceName("s1", "box-1")), wall=self.clock.wall, new_id=new_id)
        self.housekeeping = Housekeeping(
            self.log,
            self.decoder,
            DayCloser(self.log, self.decoder, SiteSettings(), self.clock),
            clock=self.clock,
            connected=lambda: True,
            retention_interval_s=0.01,
            health_interval_s=0.01,
        )

    async def sell(self) -> None:
        body = json.dumps({"type": "pos.scan.v1", "data": EXAMPLES["pos.scan.v1"]}).encode()
        await self.log.append(self.decoder.decode(body, "till-3"))

    def stored(self, stream: Stream) -> list[dict[str, Any]]:  # Any: JSON
        found = self.log.read(stream, START, events_max=100, bytes_max=1_000_000)
        return [json.loads(event.body) for event in found]


@asynccontextmanager
async def keeper(folder: Path, settings: LogSettings | None = None) -> AsyncIterator[Keeper]:
    opened = Keeper(folder, settings or LogSettings())
    try:
        yield opened
    finally:
        await opened.log.close()


async def works_until(work: Coroutine[Any, Any, None], condition: Awaitable[None]) -> None:
    """Let the work go on until the condition holds."""
    task = asyncio.create_task(work)
    try:
        await condition
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_the_beginning_of_each_epoch_is_put_on_record_once(tmp_path: Path) -> None:
    async with keeper(tmp_path) as kept:
        first = kept.log.epoch
        second = await kept.log.start_epoch("behind_ledger")

        async def both() -> bool:
            return kept.log.head(Stream.AUDIT).sequence == 2

        await works_until(kept.housekeeping.keep_epochs(), until(both))
        data = [event["data"] for event in kept.stored(Stream.AUDIT)]
    assert data == [{"epoch": first, "reason": "created"}, {"epoch": second, "reason": "behind_ledger"}]


async def test_an_epoch_that_a_kill_kept_off_the_record_is_put_on_it_at_the_next_start(tmp_path: Path) -> None:
    async with keeper(tmp_path) as kept:
        epoch = await kept.log.start_epoch("behind_ledger")
    async with keeper(tmp_path) as again:

        async def told() -> bool:
            return again.log.head(Stream.AUDIT) > START

        await works_until(again.housekeeping.keep_epochs(), until(told))
        (event,) = again.stored(Stream.AUDIT)
    assert event["data"] == {"epoch": epoch, "reason": "behind_ledger"}


async def test_a_business_day_is_closed_when_it_is_over(tmp_path: Path) -> None:
    async with keeper(tmp_path) as kept:
        await kept.sell()
        kept.clock.now += timedelta(days=1)

        async def closed() -> bool:
            return kept.log.head(Stream.AUDIT) > START

        await works_until(kept.housekeeping.keep_days(), until(closed))
        (event,) = kept.stored(Stream.AUDIT)
    assert event["data"]["business_day"] == "2026-03-06"
    assert [(part["stream"], part["count"]) for part in event["data"]["ranges"]] == [("sales", 1)]


async def test_health_is_told_now_and_then(tmp_path: Path) -> None:
    async with keeper(tmp_path) as kept:

        async def told() -> bool:
            return kept.log.head(Stream.HEALTH).sequence >= 2

        await works_until(kept.housekeeping.keep_telling_health(), until(told))
        data = kept.stored(Stream.HEALTH)[0]["data"]
    assert data["connected"] is True
    assert data["memory_bytes"] > 1_000_000


async def test_what_everybody_has_passed_is_cleared_away_after_its_time(tmp_path: Path) -> None:
    async with keeper(tmp_path, LogSettings(replay_hours=1)) as kept:
        for _ in range(5):
            await kept.sell()
        for consumer in (CLOUD, DAY_CLOSE):
            await kept.log.advance(consumer, Stream.SALES, kept.log.head(Stream.SALES))
        kept.clock.now += timedelta(hours=2)

        async def cleared() -> bool:
            return len(kept.stored(Stream.SALES)) == 1

        await works_until(kept.housekeeping.keep_log_small(), until(cleared))
        assert kept.log.head(Stream.SALES).sequence == 5
