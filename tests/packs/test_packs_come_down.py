"""A pack from the cloud to the device, over real brokers and a line that is cut in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from agent.clock import IdFactory, SystemClock
from agent.events import EventDecoder, Origin
from agent.link import Link
from agent.log import EventLog
from agent.packs import PackInbox, Packs, PackShelf
from agent.settings import LinkSettings, LogSettings
from agent.topics import DeviceName
from sim.broker import BrokerKind, running_broker
from sim.cloud.connection import mqtt_client
from sim.cloud.packs import publish_pack
from sim.network import FaultProxy
from tests.waiting import until

NAME = DeviceName("store-1", "box-1")
KINDS: list[BrokerKind] = ["mosquitto", "iotcore"]


@asynccontextmanager
async def device(folder: Path, port: int, applied: list[bytes]) -> AsyncIterator[Packs]:
    """A device that follows the set `offers`."""
    clock, random = SystemClock(), Random()
    new_id = IdFactory(clock.wall, random)
    log = EventLog.open(folder / "log", LogSettings(), clock=clock, new_id=new_id)
    packs = Packs(PackShelf(folder / "packs"), {"offers": lambda file: applied.append(file.read_bytes())})
    inbox = PackInbox(packs, NAME)
    settings = LinkSettings(port=port, backoff_min_s=0.02, backoff_max_s=0.2, receipt_wait_s=0.1)
    decoder = EventDecoder(Origin(NAME), wall=clock.wall, new_id=new_id)
    link = Link(
        log, NAME, settings, decoder=decoder, clock=clock, random=random, new_id=new_id, version="1", inbox=inbox
    )
    tasks = [asyncio.create_task(link.run()), asyncio.create_task(inbox.keep())]
    try:
        yield packs
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await log.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_pack_published_before_or_while_we_are_connected_is_applied(tmp_path: Path, kind: BrokerKind) -> None:
    applied: list[bytes] = []
    first, second = Random(1).randbytes(300_000), Random(2).randbytes(200_000)
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        mqtt_client(broker.host, broker.port, "cloud") as cloud,
    ):
        await publish_pack(cloud, NAME, "offers", 1, first)
        async with device(tmp_path, broker.port, applied) as packs:
            await until(lambda: told(applied == [first]))
            await publish_pack(cloud, NAME, "offers", 2, second)
            await until(lambda: told(applied == [first, second]))
            await until(lambda: told(packs.version("offers") == 2))


async def test_a_transfer_that_is_cut_goes_on_with_what_it_lacks(tmp_path: Path) -> None:
    applied: list[bytes] = []
    pack = Random(3).randbytes(2_000_000)
    async with running_broker("mosquitto", tmp_path / "broker") as broker, FaultProxy(broker.host, broker.port) as line:
        async with mqtt_client(broker.host, broker.port, "cloud") as cloud:
            await publish_pack(cloud, NAME, "offers", 1, pack, chunk_bytes=20_000)
        async with device(tmp_path, line.port, applied):
            await until(lambda: told(any((tmp_path / "packs").glob("*/chunk-?????"))))
            line.cut()
            kept = {file.name for file in (tmp_path / "packs").glob("*/chunk-?????")}
            line.restore()
            await until(lambda: told(applied == [pack]))
    assert kept


async def told(fact: bool) -> bool:  # noqa: FBT001 - a condition for `until`
    return fact
