"""Over each network that has a name, on both brokers, everything arrives once: the ledger's own count says so."""

import asyncio
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import pytest

from agent.event_types import Stream
from sim.broker import BrokerKind
from sim.network import PROFILES, LineQuality, Profile, ProfiledLine
from tests.link.device import SALE, SENSOR, STOCK
from tests.link.peers import until
from tests.link.shop import shop
from tests.log.world import SetClock, events, inline_log

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
both_brokers = pytest.mark.parametrize("kind", KINDS)

WITHIN_S: Final = 100.0
"""On a machine that is busy with other tests; alone each takes less than 8 s."""

LONG_S: Final = 400.0

OF_SHORT_OUTAGES: Final = {"puback_timeout_s": 0.3, "connect_timeout_s": 0.5, "receipt_wait_s": 0.05}
"""Where an outage lasts less than a second, nobody may wait longer for an answer."""


class Load(NamedTuple):
    """What is sold in each of so many phases, and by how much these are shorter than the profile says."""

    events: int
    phases: int = 1
    faster: float = 1.0


SHORT: Final = {
    "offline-5x6": Load(300, phases=12, faster=1_200),
    "satellite": Load(400),
    "3g": Load(120),
    "black-hole": Load(500, phases=6, faster=100),
    "flapping": Load(250, phases=12, faster=4),
}
LONG: Final = {
    "offline-5x6": Load(5_000, phases=12, faster=30),
    "satellite": Load(6_000),
    "3g": Load(2_000),
    "black-hole": Load(5_000, phases=6, faster=6),
    "flapping": Load(500, phases=60),
}


def test_each_profile_is_tried() -> None:
    assert set(SHORT) == set(LONG) == set(PROFILES)


async def sell_over(name: str, kind: BrokerKind, folder: Path, load: Load) -> None:
    """Sells in each phase, then waits for the ledger to have all of it once."""
    with_outages = load.phases > 1
    changes: dict[str, Any] = {"batch_events_max": 50} | (OF_SHORT_OUTAGES if with_outages else {})  # link settings
    async with shop(kind, folder, PROFILES[name].faster(load.faster), **changes) as one:
        for phase in range(load.phases):
            await begun(one.line, phase)
            await one.device.append(SALE, load.events // 2)
            await one.device.append(STOCK, load.events // 4)
            await one.device.append(SENSOR, load.events // 4)
        found = await one.all_is_there_once(deadline_s=LONG_S)
        assert found.events == load.phases * (load.events // 2 + 2 * (load.events // 4))
        status = one.device.link.status()
        if with_outages:
            assert status.reconnects > 0
        else:  # slow is not broken: no time-out of ours may end it
            assert (status.reconnects, status.redelivered, one.line.connections) == (0, 0, 1)


async def begun(line: ProfiledLine, phase: int) -> None:
    await until(lambda: line.phases_done >= phase, LONG_S)


@both_brokers
@pytest.mark.parametrize("name", sorted(SHORT))
@pytest.mark.case("N13")
async def test_over_each_named_network_everything_arrives_once(name: str, kind: BrokerKind, tmp_path: Path) -> None:
    async with asyncio.timeout(WITHIN_S):
        await sell_over(name, kind, tmp_path, SHORT[name])


@pytest.mark.soak
@pytest.mark.timeout(600)
@both_brokers
@pytest.mark.parametrize("name", sorted(LONG))
async def test_over_each_named_network_for_minutes(name: str, kind: BrokerKind, tmp_path: Path) -> None:
    await sell_over(name, kind, tmp_path, LONG[name])


@pytest.mark.case("N1")
async def test_what_was_sold_in_a_month_without_a_network_arrives_once(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path / "log", clock) as log:
        for day in range(30):
            for stream in (Stream.SALES, Stream.STOCK, Stream.SENSOR):
                log.append_now(events(20, f"{stream}-{day}", stream=stream))
            clock.move(days=1)
            assert await log.prune() == 0  # the replay window is for what is delivered
    async with shop("mosquitto", tmp_path) as one:
        found = await one.all_is_there_once()
        assert (found.events, found.shed) == (30 * 3 * 20, 0)


NARROW: Final = LineQuality(latency_s=0.3, bits_per_s=250_000, loss=0.02)


@pytest.mark.soak
@pytest.mark.timeout(600)
@both_brokers
@pytest.mark.case("N13")
async def test_a_narrow_line_with_a_long_way_and_losses_ends_no_connection(kind: BrokerKind, tmp_path: Path) -> None:
    narrow = Profile("narrow", "250 kbit/s, 600 ms there and back, 2 % loss", up=NARROW, down=NARROW)
    async with shop(kind, tmp_path, narrow) as one:
        await one.device.append(SALE, 1_500)
        await one.all_is_there_once(deadline_s=LONG_S)
        assert (one.line.connections, one.device.link.status().redelivered) == (1, 0)
