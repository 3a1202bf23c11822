"""A vehicle's connection to fleet control, on both brokers: its will, ONLINE after each connect, OFFLINE at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Self, get_args

import pytest

from agent.clock import SystemClock
from agent.fleet.header import HeaderCounters
from agent.fleet.topics import FleetTopic, ProtocolVersion, VehicleIdentity
from agent.fleet.vehicle_connection import VehicleConnection
from agent.link import Endpoint, MqttConnection, MqttVersion
from agent.settings import LinkSettings
from agent.topics import DeviceName
from sim.broker import Broker, BrokerKind, running_broker
from sim.network import FaultProxy
from tests.fleet.master import Master
from tests.link.peers import until

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
both_brokers = pytest.mark.parametrize("kind", KINDS)

VEHICLE: Final = VehicleIdentity("acme", "0042", ProtocolVersion.V2_0_0)
ONLINE_AGAIN_S_MAX: Final = 2.0


@dataclass
class Desk:
    """What stands behind a connection in these tests: it greets with a state and a factsheet, and remembers."""

    connection: VehicleConnection
    heard: list[tuple[FleetTopic, bytes]] = field(default_factory=list)
    running: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int, **changes: Any) -> AsyncIterator[Self]:  # Any: link settings by name
        heard: list[tuple[FleetTopic, bytes]] = []
        connection = VehicleConnection(
            HeaderCounters(VEHICLE),
            LinkSettings(port=port, **changes),
            DeviceName("store-1", "box-1"),
            clock=SystemClock(),
            random=Random(),
            greet=lambda: greet(connection),
            heard=lambda topic, payload: heard.append((topic, payload)),
        )
        desk = cls(connection, heard)
        desk.running = asyncio.create_task(connection.run(), name="vehicle connection")
        try:
            yield desk
        finally:
            await desk.stop()

    async def online(self) -> None:
        await until(lambda: self.connection.status.online)

    async def stop(self) -> None:
        assert self.running is not None
        self.running.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([self.running])
        assert self.running.cancelled()


async def cut_for_a_moment(proxy: FaultProxy, desk: Desk) -> None:
    proxy.cut()
    await until(lambda: not desk.connection.status.online)
    proxy.restore()


def greet(connection: VehicleConnection) -> None:
    assert connection.publish(FleetTopic.STATE, b'{"fresh": true}')
    assert connection.publish(FleetTopic.FACTSHEET, b'{"series": 1}')


@both_brokers
async def test_online_is_retained_at_qos_1_and_followed_by_state_and_factsheet(
    kind: BrokerKind, tmp_path: Path
) -> None:
    async with (
        running_broker(kind, tmp_path) as broker,
        Master.listening(broker.port, VEHICLE) as master,
        Desk.connected(broker.port),
    ):
        await until(lambda: len(master.heard) >= 3)
        assert [each.topic for each in master.heard] == ["connection", "state", "factsheet"]
        if kind == "mosquitto":  # iotcore passes everything on with the QoS of the subscription
            assert [each.qos for each in master.heard] == [1, 0, 0]
        assert master.words == ["ONLINE"]
        async with Master.listening(broker.port, VEHICLE) as late:
            await until(lambda: len(late.heard) >= 2)
            assert {each.topic for each in late.heard if each.retained} == {"connection", "factsheet"}
            assert not late.states


@both_brokers
async def test_the_will_is_connectionbroken_retained_and_followed_by_online(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path) as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        Master.listening(broker.port, VEHICLE) as master,
        Desk.connected(proxy.port) as desk,
    ):
        await until(lambda: master.words == ["ONLINE"])  # a cut would take it along
        await cut_for_a_moment(proxy, desk)
        await until(lambda: len(master.words) >= 3)
        assert master.words[:3] == ["ONLINE", "CONNECTIONBROKEN", "ONLINE"]
        await until(lambda: len(master.states) == 2)


async def test_leaving_says_offline_and_no_will_follows(tmp_path: Path) -> None:
    # Not on iotcore: when the connection closes right after DISCONNECT, it may publish the will all the same.
    async with running_broker("mosquitto", tmp_path) as broker, Master.listening(broker.port, VEHICLE) as master:
        async with Desk.connected(broker.port) as desk:
            await desk.online()
        async with Desk.connected(broker.port) as desk:
            await desk.online()
            await until(lambda: len(master.words) >= 3)
        await until(lambda: len(master.words) >= 4)
        assert master.words == ["ONLINE", "OFFLINE", "ONLINE", "OFFLINE"]
        async with Master.listening(broker.port, VEHICLE) as late:
            await until(lambda: bool(late.words))
            assert late.words == ["OFFLINE"]


async def test_whoever_leaves_right_after_arriving_says_offline_too(tmp_path: Path) -> None:
    """What the broker answers is on its way then: a socket that is closed before it is read loses the goodbye."""
    async with running_broker("mosquitto", tmp_path) as broker, Master.listening(broker.port, VEHICLE) as master:
        for times in range(1, 31):
            async with Desk.connected(broker.port) as desk:
                while not desk.connection.status.online:
                    await asyncio.sleep(0)
            await until(lambda times=times: len(master.words) >= 2 * times)  # type: ignore[misc]  # bound by default
        assert master.words == ["ONLINE", "OFFLINE"] * 30


@both_brokers
async def test_after_a_broker_restart_without_persistence_online_is_retained_again(
    kind: BrokerKind, tmp_path: Path
) -> None:
    async with running_broker(kind, tmp_path) as broker, Desk.connected(broker.port) as desk:
        await desk.online()
        waits_s = [await seconds_until_online_is_retained(broker, desk) for _ in range(10)]
    # A wait of its own and a handshake are below 2 s; a machine that is busy with other tests may double them.
    assert max(waits_s) < 2 * ONLINE_AGAIN_S_MAX, waits_s


async def seconds_until_online_is_retained(broker: Broker, desk: Desk) -> float:
    broker.kill()
    await until(lambda: not desk.connection.status.online)
    await broker.start()
    began_s = SystemClock().monotonic_s()
    async with Master.listening(broker.port, VEHICLE) as master:
        await until(lambda: master.words[-1:] == ["ONLINE"])
    waited_s = SystemClock().monotonic_s() - began_s
    async with Master.listening(broker.port, VEHICLE) as late:
        await until(lambda: bool(late.words))
        assert late.of(FleetTopic.CONNECTION)[0].retained
    return waited_s


async def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(tmp_path: Path) -> None:
    async with (
        running_broker("iotcore", tmp_path, mqtt_5=False) as broker,
        Desk.connected(broker.port) as desk,
        MqttConnection(Endpoint("127.0.0.1", broker.port), client_id="master", version=MqttVersion.V3) as master,
    ):
        await desk.online()
        master.publish(VEHICLE.topic(FleetTopic.ORDER), b"1")
        await until(lambda: desk.heard == [(FleetTopic.ORDER, b"1")])


@both_brokers
async def test_orders_and_instant_actions_of_this_vehicle_alone_are_heard(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path) as broker,
        Master.listening(broker.port, VEHICLE) as master,
        Desk.connected(broker.port) as desk,
    ):
        await until(lambda: master.words == ["ONLINE"])
        await master.client.publish("uagv/v2/acme/0043/order", b"not mine", qos=1)
        await master.client.publish("uagv/v3/acme/0042/order", b"another version", qos=1)
        await master.send_raw(FleetTopic.ORDER, b"1")
        await master.send_raw(FleetTopic.INSTANT_ACTIONS, b"2")
        await until(lambda: len(desk.heard) == 2)
        assert desk.heard == [(FleetTopic.ORDER, b"1"), (FleetTopic.INSTANT_ACTIONS, b"2")]


@both_brokers
async def test_a_retained_order_is_old_news(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, Master.listening(broker.port, VEHICLE) as master:
        await master.send_raw(FleetTopic.ORDER, b'"old"', retain=True)
        async with Desk.connected(broker.port) as desk:
            await until(lambda: master.words == ["ONLINE"])
            await master.send_raw(FleetTopic.ORDER, b'"new"')
            await until(lambda: bool(desk.heard))
            assert desk.heard == [(FleetTopic.ORDER, b'"new"')]


@both_brokers
async def test_header_ids_of_the_connection_topic_go_on_over_reconnects(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path) as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        Master.listening(broker.port, VEHICLE) as master,
        Desk.connected(proxy.port) as desk,
    ):
        await until(lambda: master.words == ["ONLINE"])  # a cut would take it along
        await cut_for_a_moment(proxy, desk)
        await until(lambda: len(master.words) >= 3)
        first, broken, again, *_ = (each.body["headerId"] for each in master.of(FleetTopic.CONNECTION))
        assert (first, broken) == (1, 0)
        assert again >= 3  # each try to connect makes a will


async def test_without_a_broker_publishing_is_no_fault_and_the_reason_is_told() -> None:
    async with Desk.connected(1, connect_timeout_s=1.0) as desk:
        await until(lambda: "is the broker running" in desk.connection.status.reason)
        assert not desk.connection.publish(FleetTopic.STATE, b"{}")
        assert not desk.connection.status.online


async def test_a_link_that_is_off_connects_to_nothing() -> None:
    async with Desk.connected(1, enabled=False) as desk:
        await until(lambda: "link.enabled is false" in desk.connection.status.reason)
