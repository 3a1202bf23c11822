"""The retained state topic: online while connected, the will when cut, offline after a stop that is never slow."""

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from agent.link import LinkState
from sim.broker import BrokerKind, running_broker
from sim.network import FaultProxy
from tests.link.device import SALE, Cloud, device
from tests.link.peers import serving, until

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)

both_brokers = pytest.mark.parametrize("kind", KINDS)


@both_brokers
async def test_the_state_is_online_while_connected_and_offline_after_a_stop(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port, state_interval_s=0.1) as one:
            await until(lambda: cloud.statuses()[:3] == ["online"] * 3)
            epoch = one.log.epoch
        await until(lambda: "offline" in cloud.statuses())
        last = cloud.states[cloud.statuses().index("offline")]
        assert last.keys() == {
            "status", "version", "session", "waiting", "oldest_s", "epoch", "clock_synced", "at",
        }  # fmt: skip
        assert (last["version"], last["epoch"], last["waiting"], last["oldest_s"]) == ("1.2.3", epoch, 0, 0.0)
        assert len({state["session"] for state in cloud.states}) == 1
        async with Cloud.listening(broker.port) as later:
            await until(lambda: later.statuses() == ["offline"])


async def test_a_link_that_leaves_in_good_order_lets_no_will_speak(tmp_path: Path) -> None:
    """Neither right after arriving, nor in the midst of its work. On mosquitto: iotcore may say the will anyway."""
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        for times in range(1, 11):
            async with device(tmp_path, broker.port) as one:
                await one.append(SALE, 200)
                await until(lambda: one.link.status().state is LinkState.ONLINE)
                if times % 2:
                    await until(lambda: one.link.status().published > 0)
            await until(lambda: len(cloud.statuses()) >= 2 * times)  # noqa: B023 - called at once
        assert cloud.statuses() == ["online", "offline"] * 10
        assert all("version" in state for state in cloud.states), "the device's own words, never the will"


@both_brokers
async def test_a_cut_connection_leaves_the_will_and_the_next_one_a_new_state(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, proxy.port) as one,
    ):
        await until(lambda: cloud.statuses() == ["online"])
        proxy.cut()
        await until(lambda: cloud.statuses() == ["online", "offline"])
        assert cloud.states[1] == {"status": "offline", "session": cloud.states[0]["session"]}
        await one.append(SALE, 7)
        proxy.restore()
        await until(lambda: cloud.statuses() == ["online", "offline", "online"])
        assert cloud.states[2]["session"] != cloud.states[0]["session"]
        assert cloud.states[2]["waiting"] == 7
        assert cloud.states[2]["oldest_s"] >= 0
        await one.delivered()


async def test_a_stop_ends_soon_whatever_the_link_is_doing(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(say_nothing) as port:
        async with device(tmp_path, port) as one:
            await asyncio.sleep(0)
            await one.stop()
        async with device(tmp_path, port) as one:
            await until(lambda: one.link.status().state is LinkState.CONNECTING)
            await asyncio.sleep(0.05)
            await one.stop()
        async with device(tmp_path, port, connect_timeout_s=0.05, backoff_min_s=60, backoff_max_s=60) as one:
            await until(lambda: one.link.status().state is LinkState.OFFLINE)
            await one.stop()
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        device(tmp_path, proxy.port) as one,
    ):
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        await one.append(SALE, 500)
        proxy.black_hole()
        await one.append(SALE, 500)
        await one.stop()
        proxy.restore()
