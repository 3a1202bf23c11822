"""A real link beside real brokers that sends delivered events once more: same bytes, no effect, nothing moved."""

import asyncio
from contextlib import AsyncExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.link import ReplayState, ReplayStatus
from agent.log import CLOUD
from agent.upkeep.replay_desk import NothingToReplay, ReplayDesk, ReplayGoing
from sim.broker import BrokerKind, running_broker
from sim.cloud.ledger import Ledger
from sim.cloud.twin import CloudTwin
from tests.link.device import SALE, STOCK, Cloud, Device, device
from tests.link.peers import until
from tests.link.shop import shop

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
both_brokers = pytest.mark.parametrize("kind", KINDS)
CLOCK = SystemClock()
NO_SALES = (
    "".join(f"topic readwrite sf/v1/+/+/{topic}\n" for topic in ("state", "ack", "evt/stock", "evt/audit"))
    + "topic read sf/#\n"
)


def desk_of(one: Device) -> ReplayDesk:
    return ReplayDesk(one.log, one.decoder, one.link, CLOCK)


async def now_is_past() -> datetime:
    """A moment that everything before was recorded before, and everything from here on after."""
    moment = CLOCK.wall() + timedelta(milliseconds=2)
    await until(lambda: CLOCK.wall() > moment + timedelta(milliseconds=2))
    return moment


def status(one: Device) -> ReplayStatus:
    found = one.link.status().replay
    assert found is not None
    return found


async def has_sent(one: Device, events: int) -> None:
    await until(lambda: status(one).sent >= events)


async def over(one: Device, state: ReplayState = ReplayState.DONE) -> ReplayStatus:
    await until(lambda: status(one).state is state)
    return status(one)


@both_brokers
async def test_each_event_of_that_time_comes_again_with_its_id_and_bytes_and_the_ledger_counts_it_once(
    kind: BrokerKind, tmp_path: Path
) -> None:
    async with shop(kind, tmp_path, batch_events_max=20) as one, Cloud.listening(one.broker.port) as cloud:
        box = one.device
        await box.append(SALE, 100)
        await box.append(STOCK, 40)
        begins = await now_is_past()
        await box.append(SALE, 130)
        await box.append(STOCK, 30)
        ends = await now_is_past()
        await box.append(SALE, 70)
        await one.all_is_there_once()
        await cloud.heard(Stream.SALES, 300)
        await cloud.heard(Stream.STOCK, 70)
        cursors = {stream: box.log.cursor(CLOUD, stream) for stream in (Stream.SALES, Stream.STOCK)}
        heard = {stream: len(cloud.batches[stream]) for stream in cursors}

        plan = await desk_of(box).plan(begins, ends, [])
        assert {part.stream: part.events for part in plan.streams} == {Stream.SALES: 130, Stream.STOCK: 30}
        assert box.link.status().replay is None, "a plan sends nothing"

        await desk_of(box).start(begins, ends, [], "ops")
        done = await over(box)
        assert [(part.stream, part.sent, part.not_delivered, part.gone) for part in done.streams] == [
            (Stream.SALES, 130, 0, 0),
            (Stream.STOCK, 30, 0, 0),
        ]
        for stream, first, last in ((Stream.SALES, 101, 230), (Stream.STOCK, 41, 70)):
            bodies = [event.body for event in box.stored(stream)][first - 1 : last]
            await came_again(cloud, stream, heard[stream], bodies)
        assert {stream: box.log.cursor(CLOUD, stream) for stream in cursors} == cursors
        await until(lambda: one.reconciled().redelivered == 160)
        found = await one.all_is_there_once()
        assert found.redelivered == box.link.status().redelivered == 160
        (told,) = (event.body for event in box.stored(Stream.AUDIT) if b"audit.replay_started.v1" in event.body)
        assert b'"requested_by":"ops"' in told
        assert b'{"stream":"sales","count":130}' in told


async def came_again(cloud: Cloud, stream: Stream, after: int, bodies: list[bytes]) -> None:
    await until(lambda: bodies_again(cloud, stream, after) == bodies)


def bodies_again(cloud: Cloud, stream: Stream, after: int) -> list[bytes]:
    """The bytes of each event of the batches after the first ones."""
    return [
        b'{"specversion"' + part
        for batch in cloud.batches[stream][after:]
        for part in (b"," + batch[1:-1]).split(b',{"specversion"')[1:]
    ]


@both_brokers
async def test_a_connection_that_breaks_meanwhile_is_made_again_and_the_rest_follows(
    kind: BrokerKind, tmp_path: Path
) -> None:
    async with shop(kind, tmp_path, batch_events_max=5) as one:
        box = one.device
        begins = await now_is_past()
        await box.append(SALE, 400)
        await one.all_is_there_once()
        ends = await now_is_past()
        desk = desk_of(box)
        await desk.start(begins, ends, [Stream.SALES], "ops")
        with pytest.raises(ReplayGoing):
            await desk.start(begins, ends, [Stream.SALES], "ops")
        for sent in (20, 200):
            await has_sent(box, sent)
            one.connect_anew()
            await box.append(SALE, 3)
        done = await over(box)
        assert (done.sent, done.streams[0].not_delivered) == (400, 0)
        found = await one.all_is_there_once()
        assert found.redelivered >= 400
        assert box.link.status().parked == ()


async def test_what_the_broker_refuses_now_is_told_with_the_reason_and_nothing_is_parked(tmp_path: Path) -> None:
    with closing(Ledger.open(tmp_path / "ledger.sqlite", CLOCK)) as ledger:
        begins = await now_is_past()
        async with running_broker("mosquitto", tmp_path / "broker") as broker, AsyncExitStack() as stack:
            running = asyncio.create_task(CloudTwin(ledger, broker.host, broker.port).run())
            stack.callback(running.cancel)
            async with device(tmp_path, broker.port) as one:
                await one.append(SALE, 10)
                await one.append(STOCK, 10)
                await one.delivered()
        ends = await now_is_past()
        async with (
            running_broker("mosquitto", tmp_path / "broker", acl=NO_SALES) as broker,
            device(tmp_path, broker.port, park_after_tries=2, batch_events_max=5) as one,
        ):
            await desk_of(one).start(begins, ends, [Stream.SALES, Stream.STOCK], "ops")
            sales, stock = (await over(one)).streams
            assert (sales.sent, sales.not_delivered, sales.reason) == (0, 10, "0x87 not authorized")
            assert (stock.sent, stock.not_delivered) == (10, 0)
            await one.delivered()
            assert one.link.status().parked == ()
            assert one.log.gaps(Stream.SALES) == ()


async def test_what_is_not_delivered_yet_is_left_to_its_turn_and_what_was_cleared_away_is_said(tmp_path: Path) -> None:
    async with device(tmp_path, 1, enabled=False) as one:
        begins = await now_is_past()
        await one.append(SALE, 10)
        desk = desk_of(one)
        plan = await desk.plan(begins, await now_is_past(), [])
        assert [(part.stream, part.events, part.waiting) for part in plan.streams] == [(Stream.SALES, 0, 10)]
        assert "what is still to be delivered leaves in its turn (sales)" in desk.nothing(plan)
        later = await desk.plan(CLOCK.wall() + timedelta(hours=1), CLOCK.wall() + timedelta(hours=2), [])
        assert later.streams == ()
        assert "that is in the future: this device's clock says" in desk.nothing(later)
    async with running_broker("mosquitto", tmp_path / "broker") as broker, device(tmp_path, broker.port) as one:
        await one.delivered()
        kept_from = await now_is_past()
        await one.append(SALE, 5)
        await one.delivered()
        for stream in Stream:
            await one.log.advance("day_close", stream, one.log.head(stream))
        await one.log.prune(delivered=True)
        desk = desk_of(one)
        plan = await desk.plan(begins, await now_is_past(), [Stream.SALES])
        (part,) = plan.streams
        assert 1 <= part.events <= 5
        assert part.kept_from is not None
        assert part.kept_from >= kept_from
        with pytest.raises(NothingToReplay, match=r"is no longer in the log \(log\.replay_hours\)"):
            await desk.start(begins, kept_from, [Stream.SALES], "ops")
