"""The log of a selling shop is damaged between two starts: it sells on, and the cloud gets everything all the same."""

from pathlib import Path

import pytest

from tests.sim.test_restored_copy import store, until_in_cloud
from tests.waiting import until


def damage(log_file: Path) -> None:
    """Header and schema, also in the write-ahead log; without its index, which whoever has it open keeps alive."""
    for file in (log_file, log_file.with_name(f"{log_file.name}-wal")):
        with file.open("r+b") as opened:
            opened.write(b"\x55" * 140)
    log_file.with_name(f"{log_file.name}-shm").unlink()


@pytest.mark.case("S8")
async def test_what_was_sold_before_and_after_the_damage_reaches_the_cloud(tmp_path: Path) -> None:
    async with store(tmp_path) as shop:
        await shop.sell(20)
        await shop.until_drained()
        shop.world.network.cut()
        await shop.sell(40)
        await shop.world.agent.stop()
        damage(shop.world.log_file)
        await shop.world.agent.start()
        await shop.sell(10)
        shop.world.network.restore()
        await until_in_cloud(shop)

        async def salvaged() -> bool:
            status = await shop.world.status()
            return status is not None and not status["log"]["waiting"]

        await until(salvaged)
        assert len(shop.in_cloud) >= 70
    assert len(list(shop.world.log_file.parent.glob("old/*/events.sqlite"))) == 1
