"""Two devices with one identity, and a broker that throws the older connection out."""

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from agent.event_types import Stream
from agent.link import LinkState
from sim.broker import BrokerKind, running_broker
from sim.network import FaultProxy
from tests.link.device import SALE, Cloud, device
from tests.link.peers import connack, read_packet, serving, until

pytestmark = pytest.mark.case("N7")

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
CLONED = "another client uses this client id: is a card cloned?"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_two_devices_with_one_identity_both_say_so_and_slow_down(protocol: str, tmp_path: Path) -> None:
    quick = {"protocol": protocol, "backoff_min_s": 0.05, "backoff_max_s": 1.0}
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path / "original", proxy.port, **quick) as one,
        device(tmp_path / "clone", proxy.port, **quick) as other,
    ):
        await one.append(SALE, 20)
        await until(lambda: all(CLONED in each.link.status().reason for each in (one, other)))
        await until(lambda: one.link._backoff.ceiling_s == other.link._backoff.ceiling_s == 1.0)
        await other.stop()
        await one.delivered()  # and what is in the log leaves all the same
        await cloud.heard(Stream.SALES, 20)


async def test_what_the_broker_says_of_a_take_over_is_in_the_status_also_while_connected(tmp_path: Path) -> None:
    said = 0

    async def take_over_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        await read_packet(reader)
        writer.write(connack() + (b"\xe0\x02\x8e\x00" if not said else b""))
        said += 1
        await reader.read()

    async with serving(take_over_once) as port, device(tmp_path, port) as one:
        await until(lambda: said == 2 and one.link.status().state is LinkState.ONLINE)
        assert CLONED in one.link.status().reason
        assert "the broker said once that it took over" in one.link.status().reason


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_that_restarts_is_no_sign_of_a_clone(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, device(tmp_path, broker.port) as one:
        for _ in range(3):
            await until(lambda: one.link.status().state is LinkState.ONLINE)
            broker.kill()
            await until(lambda: one.link.status().state is not LinkState.ONLINE)
            await broker.start()
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        assert one.link.status().reason == ""


@pytest.mark.case("N8")
async def test_a_broker_that_hangs_up_at_once_gets_no_more_than_one_connect_in_the_interval(tmp_path: Path) -> None:
    began_s: list[float] = []
    interval_s = 0.15

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        began_s.append(asyncio.get_running_loop().time())
        writer.write(connack())

    quick = {"backoff_min_s": 0.001, "backoff_max_s": 0.001, "connect_interval_s": interval_s}
    async with serving(hang_up) as port, device(tmp_path, port, **quick):
        await until(lambda: len(began_s) >= 6)
    assert began_s[5] - began_s[0] >= 5 * interval_s - 0.05
