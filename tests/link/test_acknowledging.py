"""Incoming messages are acknowledged once they are where they have to be, in their order, and not before."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import pytest

from agent.event_types import Stream
from agent.link import LinkState, MqttVersion
from agent.link.connection import Message, MqttConnection
from agent.link.dial import Endpoint
from agent.link.inbox import NoInbox
from agent.topics import Channel
from sim.broker import BrokerKind, BrokerLimits, running_broker
from sim.network import FaultProxy
from tests.link.device import NAME, SALE, Cloud, device
from tests.link.peers import DEADLINE_S, connack, read_packet, serving, until
from tests.link.raw_broker import accepted, broker_that, message

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
both_brokers = pytest.mark.parametrize("kind", KINDS)
both_versions = pytest.mark.parametrize("version", list(MqttVersion))

PACK_TOPIC = NAME.topic(Channel.PACKS, "offers")


def connection(port: int, name: str = "device", version: MqttVersion = MqttVersion.V5) -> MqttConnection:
    return MqttConnection(
        Endpoint("127.0.0.1", port), client_id=name, version=version, keepalive_s=5, connect_timeout_s=DEADLINE_S
    )


async def next_message(open_connection: MqttConnection) -> Message:
    async with asyncio.timeout(DEADLINE_S):
        async for event in open_connection:
            if isinstance(event, Message):
                return event
    raise AssertionError("the connection ended")


class Broker:
    """A raw broker that sends numbered messages with QoS 1 and notes what is acknowledged."""

    def __init__(self, version: MqttVersion, packets: Sequence[bytes]) -> None:
        self.acknowledged: list[int] = []
        self._version = version
        self._packets = packets

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(accepted(self._version) + b"".join(self._packets))
        while True:
            first, body = await read_packet(reader)
            if first == 0x40:
                self.acknowledged.append(int.from_bytes(body[:2], "big"))


# --- one connection ----------------------------------------------------------------------------------------------


@both_versions
async def test_a_message_is_acknowledged_when_it_is_done_and_in_the_order_of_arrival(version: MqttVersion) -> None:
    broker = Broker(version, [message(b"a", b"%d" % mid, version=version, mid=mid) for mid in (3, 1, 2)])
    async with serving(broker.talk) as port, connection(port, version=version) as device:
        third, first, second = [await next_message(device) for _ in range(3)]
        device.acknowledge(second)
        device.acknowledge(first)
        device.acknowledge(first)
        assert broker.acknowledged == []
        device.acknowledge(third)
        await until(lambda: broker.acknowledged == [3, 1, 2])
        device.acknowledge(third)  # and never twice
        device.publish("a", b"", qos=1)
        await device.disconnect()
    assert broker.acknowledged == [3, 1, 2]


async def test_a_message_that_comes_again_before_it_is_done_counts_once() -> None:
    again = message(b"a", b"x", mid=1, flags=0x08)
    broker = Broker(MqttVersion.V5, [message(b"a", b"x", mid=1), again, message(b"b", b"", mid=2)])
    async with serving(broker.talk) as port, connection(port) as device:
        first, second = await next_message(device), await next_message(device)
        assert (first.topic, second.topic) == ("a", "b")
        device.acknowledge(first)
        device.acknowledge(second)
        await until(lambda: broker.acknowledged == [1, 2])


async def test_qos_0_and_unusable_topics_hold_nothing_up() -> None:
    packets = [
        message(b"a", b""),
        message(b"\xff\xfe", b"", mid=1),
        message(b"", b"", mid=2),
        message(b"b", b"", mid=3),
    ]
    broker = Broker(MqttVersion.V5, packets)
    async with serving(broker.talk) as port, connection(port) as device:
        plain, last = await next_message(device), await next_message(device)
        assert (plain.topic, last.topic) == ("a", "b")
        device.acknowledge(plain)
        await until(lambda: broker.acknowledged == [1, 2])
        device.acknowledge(last)
        await until(lambda: broker.acknowledged == [1, 2, 3])


@both_brokers
async def test_a_real_broker_sends_no_more_than_its_window_until_something_is_done(
    kind: BrokerKind, tmp_path: Path
) -> None:
    count, window = 40, 7
    limits = BrokerLimits(inflight_messages_max=window)
    async with (
        running_broker(kind, tmp_path, limits=limits) as broker,
        connection(broker.port) as device,
        connection(broker.port, "writer") as writer,
    ):
        await device.subscribe("a/#")
        for number in range(count):
            writer.publish("a/b", b"%d" % number)
        found: list[Message] = []
        while len(found) < count:
            found += [await next_message(device) for _ in range(min(window, count - len(found)))]
            if kind == "mosquitto":
                assert not device._waiting
            for one in reversed(found):
                device.acknowledge(one)
    assert [one.payload for one in found] == [b"%d" % number for number in range(count)]


async def test_after_the_end_of_a_connection_there_is_nothing_to_acknowledge() -> None:
    async with serving(broker_that(connack() + message(b"a", b"", mid=1))) as port:
        async with connection(port) as device:
            one = await next_message(device)
        device.acknowledge(one)


# --- the link ----------------------------------------------------------------------------------------------------


class Slow(NoInbox):
    """Wants one topic, and keeps what comes until a test says that it is done."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, Callable[[], None]]] = []

    def filters(self) -> Sequence[str]:
        return [PACK_TOPIC]

    def put(self, topic: str, payload: bytes, done: Callable[[], None]) -> bool:
        assert topic == PACK_TOPIC
        self.taken.append((payload, done))
        return True


@both_brokers
async def test_what_was_not_done_when_the_connection_broke_comes_again(kind: BrokerKind, tmp_path: Path) -> None:
    inbox = Slow()
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        Cloud.listening(broker.port) as cloud,
    ):
        await cloud.client.publish(PACK_TOPIC, b"manifest", qos=1, retain=True)
        async with device(tmp_path, proxy.port, inbox=inbox) as one:
            await until(lambda: len(inbox.taken) == 1)
            proxy.cut()
            await until(lambda: one.link.status().state is LinkState.OFFLINE)
            proxy.restore()
            await until(lambda: len(inbox.taken) == 2)
            inbox.taken[0][1]()  # of a connection that is gone: no harm
            inbox.taken[1][1]()
            await one.append(SALE)
            await one.delivered()
    assert [payload for payload, _ in inbox.taken] == [b"manifest"] * 2


@pytest.mark.case("N9")
@both_brokers
async def test_a_broker_that_forgot_everything_is_subscribed_again(kind: BrokerKind, tmp_path: Path) -> None:
    inbox = Slow()
    async with running_broker(kind, tmp_path / "broker") as broker, device(tmp_path, broker.port, inbox=inbox) as one:
        await one.append(SALE, 5)
        await one.delivered()
        broker.kill()
        await until(lambda: one.link.status().state is LinkState.OFFLINE)
        await broker.start()
        async with Cloud.listening(broker.port) as cloud:
            await cloud.tell(one.receipt(Stream.SALES, 5))
            await cloud.client.publish(PACK_TOPIC, b"manifest", qos=1, retain=True)
            await until(lambda: one.link.receipts() is not None)
            await until(lambda: len(inbox.taken) == 1)


async def test_a_receipt_is_heard_although_a_message_before_it_is_not_done_and_acknowledged_after_it(
    tmp_path: Path,
) -> None:
    acknowledged: list[int] = []
    inbox = Slow()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subscriptions = 0
        while True:
            first, body = await read_packet(reader)
            if first >> 4 == 8:
                subscriptions += 1
                writer.write(b"\x90\x04" + body[:2] + b"\x00\x01")
                if subscriptions == 2:
                    writer.write(message(PACK_TOPIC.encode(), b"x", mid=1))
                    receipts = message(NAME.topic(Channel.RECEIPTS).encode(), b'{"receipts": []}', mid=2)
                    writer.write(receipts)
            elif first == 0x40:
                acknowledged.append(int.from_bytes(body[:2], "big"))

    async with (
        serving(broker_that(connack(), talk)) as port,
        device(tmp_path, port, inbox=inbox) as one,
    ):
        await until(lambda: one.link.receipts() is not None)
        assert acknowledged == []
        inbox.taken[0][1]()
        await until(lambda: acknowledged == [1, 2])
