"""A link that is told to send again, or to hurry: what holds when it returns, and what of the broker's wishes stays."""

import asyncio
from pathlib import Path
from random import Random
from typing import Final

import pytest

from agent.errors import StorageFailed
from agent.event_types import Stream
from agent.link import LinkState
from agent.log import CLOUD, Place
from sim.broker import running_broker
from tests.link.device import SALE, Cloud, device
from tests.link.peers import connack, read_packet, serving, until
from tests.log.world import raw

REFUSE = "CREATE TRIGGER refuse BEFORE INSERT ON cursor BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
SLOW: Final = {"backoff_min_s": 60.0, "backoff_max_s": 60.0}


async def test_when_it_returns_the_cursor_stands_there_durably_and_all_after_it_comes_again(tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port, connect_interval_s=60) as one,
    ):
        await one.append(SALE, 20)
        await one.delivered()
        await one.link.send_again({Stream.SALES: Place(1, 5)})
        assert one.log.cursor(CLOUD, Stream.SALES) == Place(1, 5)
        await cloud.heard(Stream.SALES, 20)


async def test_a_log_that_cannot_note_that_something_is_sent_again_tells_who_asked_and_does_not_end_the_link(
    tmp_path: Path,
) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port) as one,
    ):
        await one.append(SALE, 20)
        await one.delivered()
        with raw(one.log.file) as connection:
            connection.execute(REFUSE)
        with pytest.raises(StorageFailed):
            await one.link.send_again({Stream.SALES: Place(1, 5)})
        with raw(one.log.file) as connection:
            connection.execute("DROP TRIGGER refuse")
        await cloud.heard(Stream.SALES, 35)
        await one.delivered()
        assert not one.running.done()


class Longest(Random):
    """Draws the longest wait each time."""

    def random(self) -> float:
        return 1.0


async def test_a_hurry_is_over_once_connected_and_hastens_no_later_connection(tmp_path: Path) -> None:
    connects = 0
    hang_up = asyncio.Event()

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connects
        connects += 1
        await read_packet(reader)
        writer.write(connack())
        await hang_up.wait()

    async with serving(broker) as port, device(tmp_path, port, random=Longest(), **SLOW) as one:
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        one.link.hurry()
        hang_up.set()
        await until(lambda: one.link.status().state is LinkState.OFFLINE)
        with pytest.raises(TimeoutError):
            await until(lambda: connects > 1, 0.2)
        one.link.hurry()
        await until(lambda: connects > 1)


async def test_a_broker_that_asks_for_less_is_not_hurried(tmp_path: Path) -> None:
    connects = 0

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connects
        connects += 1
        await read_packet(reader)
        writer.write(connack(0x9F))
        await writer.drain()

    async with serving(broker) as port, device(tmp_path, port, random=Longest(), **SLOW) as one:
        await until(lambda: "0x9F" in one.link.status().reason)
        one.link.hurry()
        with pytest.raises(TimeoutError):
            await until(lambda: connects > 1, 0.2)
