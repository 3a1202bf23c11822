"""A data folder put back from an older copy: a new epoch or conflicts told, and nothing dropped."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import connect

import pytest

from sim.broker import BrokerKind
from sim.cloud.reconcile import reconcile
from sim.demo.kiosks import Kiosks
from sim.demo.sender import Sender
from sim.demo.vehicles import Vehicles
from sim.demo.world import World
from sim.store.source import SourceOptions, open_source
from tests.examples import EXAMPLES
from tests.sim.small_day import write_small_day
from tests.waiting import until

KIND: BrokerKind = "mosquitto"  # it keeps retained receipts over reconnects, as a real cloud's broker does


class RestoredStore:
    """One device whose data folder is saved, used on, and put back."""

    def __init__(self, world: World, backup: Path) -> None:
        self.world = world
        self._backup = backup
        self._sender: Sender = world.local_sender("gate-1")
        self._sent = 0

    async def sell(self, events: int) -> None:
        for _ in range(events):
            self._sent += 1
            data = EXAMPLES["stock.counted.v1"] | {"counted": str(self._sent)}
            await self._sender.send("stock.counted.v1", data, f"count-{self._sent}", datetime.now(UTC))

    async def until_drained(self) -> None:
        async def drained() -> bool:
            status = await self.world.status()
            return status is not None and not status["log"]["waiting"]

        await until(drained)

    async def save(self) -> None:
        await self.world.agent.stop()
        shutil.copytree(self.world.folder.path, self._backup)
        await self.world.agent.start()

    async def put_back(self) -> None:
        await self.world.agent.stop()
        shutil.rmtree(self.world.folder.path)
        shutil.copytree(self._backup, self.world.folder.path)
        await self.world.agent.start()

    @property
    def in_cloud(self) -> set[tuple[str, str]]:
        """(producer, id) of every event that took effect or is kept aside as a conflict."""
        with closing(connect(self.world.ledger_file)) as ledger:
            aside = {(source.rpartition("/")[2], name) for source, name in ledger.execute(KEPT_ASIDE)}
        return self.world.ledger.identities() | aside


KEPT_ASIDE = "SELECT source, id FROM conflicts"


@asynccontextmanager
async def store(tmp_path: Path) -> AsyncIterator[RestoredStore]:
    source = open_source(SourceOptions(data_file=write_small_day(tmp_path / "sales.csv", baskets=1)))
    kiosks, vehicles = Kiosks((), windows=False), Vehicles(tmp_path / "vehicles", ())
    async with World(tmp_path / "out", source, kiosks, vehicles, speed=1.0, broker_kind=KIND) as world:
        yield RestoredStore(world, tmp_path / "backup")


@pytest.mark.case("S15")
async def test_a_restored_copy_that_meets_its_ledger_starts_a_new_epoch(tmp_path: Path) -> None:
    async with store(tmp_path) as shop:
        await shop.sell(5)
        await shop.save()
        await shop.sell(5)
        await shop.until_drained()
        before = (await shop.world.status() or {})["log"]["epoch"]
        await shop.put_back()

        async def new_epoch() -> bool:
            status = await shop.world.status()
            return status is not None and status["log"]["epoch"] != before

        await until(new_epoch)
        await shop.sell(5)
        await shop.until_drained()
        await until_in_cloud(shop)
    found = reconcile(shop.world.ledger_file, shop.world.log_file)
    assert (found.missing, found.duplicates, found.conflicts) == (0, 0, 0)


@pytest.mark.case("S15")
async def test_what_a_restored_copy_sold_while_offline_is_kept_as_conflicts_and_not_dropped(tmp_path: Path) -> None:
    async with store(tmp_path) as shop:
        await shop.sell(5)
        await shop.save()
        await shop.sell(5)
        await shop.until_drained()
        shop.world.network.cut()
        await shop.put_back()
        await shop.sell(5)
        shop.world.network.restore()
        await shop.until_drained()
        await until_in_cloud(shop)
    found = reconcile(shop.world.ledger_file, shop.world.log_file)
    assert found.duplicates == 0
    assert found.conflicts > 0
    assert not found.ok


async def until_in_cloud(shop: RestoredStore) -> None:
    async def all_there() -> bool:
        return shop.world.tally.acknowledged <= shop.in_cloud

    await until(all_there)
