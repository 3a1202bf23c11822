"""A broker that breaks the protocol, by accident or on purpose: told with the reason, in bounded memory, no harm."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.event_types import Stream
from agent.link import LinkState, MqttVersion
from agent.link.connection import BYTES_WAITING_MAX, EVENTS_WAITING_MAX, Message, MqttConnection, PubAck
from agent.link.dial import Endpoint
from agent.link.errors import BrokerUnreachable, ConnectionLost, MessageTooLarge
from agent.topics import Channel
from sim.broker import BrokerLimits, running_broker
from tests.link.device import NAME, SALE, Cloud, device
from tests.link.peers import DEADLINE_S, connack, read_packet, serving, until
from tests.link.raw_broker import accepted, broker_that, length_of, message

V5, V3 = MqttVersion.V5, MqttVersion.V3
HUGE_BYTES = 20_000_000
RECEIPT_TOPIC = NAME.topic(Channel.RECEIPTS)

both_versions = pytest.mark.parametrize("version", [V5, V3])


def connection(port: int, version: MqttVersion = V5) -> MqttConnection:
    return MqttConnection(
        Endpoint("127.0.0.1", port), client_id="device", version=version, keepalive_s=5, connect_timeout_s=DEADLINE_S
    )


async def end_of(open_connection: MqttConnection) -> ConnectionLost:
    async def drain() -> None:
        async for _ in open_connection:
            pass

    with pytest.raises(ConnectionLost) as lost:
        await asyncio.wait_for(drain(), DEADLINE_S)
    return lost.value


# --- packets that may not come -----------------------------------------------------------------------------------

WRONG_PACKETS = {
    "a message with QoS 2": (b"\x34\x06\x00\x01a\x00\x01\x00", "QoS 2"),
    "a message with QoS 3": (b"\x36\x06\x00\x01a\x00\x01\x00", "QoS 2"),
    "QoS 1 without an identifier": (b"\x32\x06\x00\x01a\x00\x00\x00", "without a packet identifier"),
    "one identifier for two messages": (message(b"a", b"", mid=7) + message(b"b", b"", mid=7), "identifier 7 for two"),
    "a second CONNACK": (connack(), "a second CONNACK"),
    "PUBREC": (b"\x50\x02\x00\x01", "PUBREC, which nobody asked for"),
    "PUBREL": (b"\x60\x02\x00\x01", "PUBREL"),
    "PUBREL as it has to be": (b"\x62\x02\x00\x01", "PUBREL"),
    "PUBCOMP": (b"\x70\x02\x00\x01", "PUBCOMP, which nobody asked for"),
    "UNSUBACK": (b"\xb0\x04\x00\x01\x00\x00", "UNSUBACK, which nobody asked for"),
    "a packet of clients": (b"\x10\x02\x00\x00", "CONNECT, which nobody asked for"),
    "a ping": (b"\xc0\x00", "PINGREQ, which nobody asked for"),
    "AUTH": (b"\xf0\x00", "AUTH, which nobody asked for"),
    "a reserved type": (b"\x00\x00", "RESERVED, which nobody asked for"),
    "PUBACK with flags": (b"\x41\x02\x00\x01", "PUBACK with the flags 0x1"),
    "PUBACK that is too short": (b"\x40\x01\x00", "not MQTT 5"),
    "a length of five bytes": (b"\x30\xff\xff\xff\xff\x01", "not MQTT 5"),
    "a topic longer than its packet": (b"\x30\x03\x00\x09a", "not MQTT 5"),
    "a property that does not exist": (b"\x30\x06\x00\x01a\x02\x7f\x00", "not MQTT 5"),
    "a pong with a body": (b"\xd0\x01\x00", "not MQTT 5"),
}


@pytest.mark.case("N11")
@pytest.mark.parametrize(("packet", "says"), WRONG_PACKETS.values(), ids=list(WRONG_PACKETS))
async def test_what_a_broker_may_not_send_ends_the_connection_with_the_reason(packet: bytes, says: str) -> None:
    async with serving(broker_that(connack() + packet)) as port, connection(port) as device:
        assert says in str(await end_of(device))


WRONG_CONNACKS = {
    "a session that we did not ask for": (b"\x20\x03\x01\x00\x00", V5, "kept a session"),
    "the same in 3.1.1": (b"\x20\x02\x01\x00", V3, "kept a session"),
    "no QoS 1": (connack(properties=b"\x24\x00"), V5, "nothing could be acknowledged"),
    "a window of 0": (connack(properties=b"\x21\x00\x00"), V5, "not MQTT 5"),
    "packets of 0 bytes": (connack(properties=b"\x27\x00\x00\x00\x00"), V5, "not MQTT 5"),
    "a message before it": (message(b"a", b""), V5, "PUBLISH before CONNACK"),
    "its form of 3.1.1 on MQTT 5": (b"\x20\x02\x00\x00", V5, "not MQTT 5"),
    "its form of MQTT 5 on 3.1.1": (connack(), V3, "not MQTT 3.1.1"),
}


@pytest.mark.case("N11")
@pytest.mark.parametrize(("answer", "version", "says"), WRONG_CONNACKS.values(), ids=list(WRONG_CONNACKS))
async def test_a_connack_that_cannot_be_is_no_connection(answer: bytes, version: MqttVersion, says: str) -> None:
    async with serving(broker_that(answer)) as port:
        with pytest.raises(BrokerUnreachable, match=says):
            async with connection(port, version):
                pass


@pytest.mark.case("N11")
@pytest.mark.parametrize("results", [b"", b"\x01\x01", b"\x00" * 40])
async def test_an_answer_of_another_length_to_a_subscription_ends_the_connection(results: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_packet(reader)
        writer.write(b"\x90" + bytes([3 + len(results)]) + body[:2] + b"\x00" + results)

    async with serving(broker_that(connack(), answer)) as port, connection(port) as device:
        with pytest.raises(ConnectionLost, match=f"with {len(results)} results"):
            await device.subscribe("a/#")


@both_versions
async def test_a_wrong_pubacks_mid_and_one_for_qos_0_answer_nothing(version: MqttVersion) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mids = []
        for _ in range(2):
            first, body = await read_packet(reader)
            mids.append(body[3:5] if first & 0x06 else b"\x00\x01")  # what a mid of QoS 0 would have been
        for mid in [mids[0], b"\x12\x34", mids[1], mids[1]]:
            writer.write(b"\x40\x02" + mid)
        writer.write(message(b"end", b"", version=version))

    async with serving(broker_that(accepted(version), answer)) as port, connection(port, version) as device:
        left, mid = device.publish("a", b"", qos=0), device.publish("a", b"", qos=1)
        found: list[PubAck | Message] = []
        while Message("end", b"", retained=False) not in found:
            found.append(await asyncio.wait_for(anext(device), DEADLINE_S))
        assert found.count(PubAck(mid, 0)) == 1
        assert found.count(PubAck(left, 0)) <= 1  # paho tells when one with QoS 0 has left
        assert len(found) <= 3


# --- too much ----------------------------------------------------------------------------------------------------


@pytest.mark.case("N11")
@both_versions
async def test_a_message_beyond_what_we_take_drops_the_connection_before_it_is_read(version: MqttVersion) -> None:
    """On MQTT 5 the broker was told our maximum; one that ignores it is treated as one of 3.1.1."""
    body = b"\x00\x03a/b" + bytes(HUGE_BYTES)
    packet = b"\x30" + length_of(len(body)) + body
    tracemalloc.start()
    try:
        async with serving(broker_that(accepted(version) + packet)) as port, connection(port, version) as device:
            tracemalloc.reset_peak()
            before_bytes = tracemalloc.get_traced_memory()[0]
            lost = await end_of(device)
            peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(lost, MessageTooLarge)
    assert lost.topic == "a/b"
    assert f"sent {len(body):,} bytes in one packet on a/b; at most 1,048,576 are taken" in str(lost)
    assert peak_bytes - before_bytes < 1_048_576


@pytest.mark.case("N11")
@pytest.mark.parametrize("head", [b"\x90", b"\x20", b"\x30"])
async def test_the_largest_length_there_is_is_not_waited_for(head: bytes) -> None:
    start = head + b"\xff\xff\xff\x7f" + b"\xff\xff"
    async with serving(broker_that(connack() + start)) as port, connection(port) as device:
        assert "268,435,455 bytes in one packet; at most" in str(await end_of(device))


@pytest.mark.case("N11")
async def test_messages_that_are_not_taken_stop_the_reading_by_their_bytes() -> None:
    large = message(b"a/b", bytes(500_000))
    count = 100

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(count):
            writer.write(large)
            await writer.drain()

    async with serving(broker_that(connack(), flood)) as port, connection(port) as device:
        await until(lambda: not device._reading)
        assert device._waiting_bytes < BYTES_WAITING_MAX + 1_048_576
        assert len(device._waiting) < EVENTS_WAITING_MAX
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(count):
                assert isinstance(await anext(device), Message)


# --- the whole link ----------------------------------------------------------------------------------------------


@pytest.mark.case("N11")
async def test_a_retained_message_of_20_megabytes_does_not_keep_events_from_leaving(tmp_path: Path) -> None:
    limits = BrokerLimits(packet_bytes_max=30_000_000)
    async with (
        running_broker("mosquitto", tmp_path / "broker", limits=limits) as broker,
        Cloud.listening(broker.port) as cloud,
    ):
        await cloud.tell_raw(bytes(HUGE_BYTES))
        async with device(tmp_path, broker.port, protocol="3.1.1") as one:
            await one.append(SALE, 50)
            await one.delivered()
            await cloud.heard(Stream.SALES, 50)
            status = one.link.status()
            assert status.state is LinkState.ONLINE
            assert status.reconnects == 1
            assert f"{RECEIPT_TOPIC} is not listened to" in status.reason
            assert "at most 1,048,576 are taken" in status.reason


@pytest.mark.case("N11")
async def test_on_mqtt_5_the_broker_keeps_such_a_message_to_itself(tmp_path: Path) -> None:
    limits = BrokerLimits(packet_bytes_max=30_000_000)
    async with (
        running_broker("mosquitto", tmp_path / "broker", limits=limits) as broker,
        Cloud.listening(broker.port) as cloud,
    ):
        await cloud.tell_raw(bytes(HUGE_BYTES))
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 50)
            await one.delivered()
            assert one.link.status().reconnects == 0
            assert one.link.status().reason == ""


def receipt(**changes: object) -> Callable[[str], str]:
    """One receipt of an epoch, with some fields changed, as JSON."""
    fields = {"stream": "sales", "upto": 5, "last_id": "x", "missing": []} | changes
    return lambda epoch: json.dumps({"receipts": [{"epoch": epoch, **fields}]})


FORGED = {
    "another device's topic": ("sf/v1/store-1/box-2/ack", receipt(upto=99)),
    "a topic of nobody": ("a/b", receipt(upto=99)),
    "a topic that only looks like ours": (f"{RECEIPT_TOPIC}/", receipt(upto=99)),
    "not UTF-8": (RECEIPT_TOPIC, lambda _: "\udcff"),
    "another shape": (RECEIPT_TOPIC, lambda _: '{"receipts": {}}'),
    "a missing field": (RECEIPT_TOPIC, lambda epoch: f'{{"receipts": [{{"stream": "sales", "epoch": "{epoch}"}}]}}'),
    "a sequence below 0": (RECEIPT_TOPIC, receipt(upto=-1)),
    "a sequence that is a text": (RECEIPT_TOPIC, receipt(upto="99")),
    "a sequence beyond 2^40": (RECEIPT_TOPIC, receipt(upto=2**41)),
    "a sequence of 300 digits": (
        RECEIPT_TOPIC,
        lambda epoch: receipt(upto=0)(epoch).replace(" 0,", " " + "9" * 300 + ","),
    ),
    "missing ranges that overlap": (RECEIPT_TOPIC, receipt(missing=[[1, 3], [2, 4]])),
    "missing ranges beyond the head": (RECEIPT_TOPIC, receipt(missing=[[1, 2**50]])),
    "many missing ranges": (RECEIPT_TOPIC, receipt(upto=2_000, missing=[[n, n] for n in range(1, 2_000, 2)])),
    "a body of 900 KB": (RECEIPT_TOPIC, lambda _: " " * 900_000 + "{}"),
    "deep nesting": (RECEIPT_TOPIC, lambda _: '{"receipts":' + "[" * 100_000),
    "another epoch": (RECEIPT_TOPIC, lambda _: receipt(upto=99)("01a22000-0000-7000-8000-000000000000")),
    "an unknown stream": (RECEIPT_TOPIC, receipt(stream="gold", upto=99)),
}


@pytest.mark.case("N11")
@both_versions
async def test_forged_receipts_change_nothing(version: MqttVersion, tmp_path: Path) -> None:
    """One broker sends them all, at each connection; the log keeps its epoch, and each event leaves once."""
    epochs: list[str] = []
    mids: list[int] = []

    async def forge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, body = await read_packet(reader)
            if first >> 4 == 8:
                properties = b"\x00" if version is V5 else b""
                writer.write(b"\x90" + bytes([3 + len(properties)]) + body[:2] + properties + b"\x01")
                for number, (topic, made) in enumerate(FORGED.values(), 1):
                    payload = made(epochs[0]).encode(errors="surrogateescape")
                    writer.write(message(topic.encode(), payload, version=version, mid=number))
            elif first >> 4 == 4:
                mids.append(int.from_bytes(body[:2], "big"))
            elif first >> 4 == 3 and first & 0x06:
                at = 2 + int.from_bytes(body[:2], "big")
                writer.write(b"\x40\x02" + body[at : at + 2])

    async with (
        serving(broker_that(accepted(version), forge)) as port,
        device(tmp_path, port, protocol=version.value) as one,
    ):
        epochs.append(one.log.epoch)
        await one.append(SALE, 20)
        await one.delivered()
        await until(lambda: len(mids) >= len(FORGED))
        await one.append(SALE, 20)
        await one.delivered()
        status = one.link.status()
        assert one.log.epoch == epochs[0]
        assert (status.reconnects, status.redelivered, status.acknowledged) == (0, 0, 40)
        assert mids[: len(FORGED)] == list(range(1, len(FORGED) + 1)), "acknowledged in their order"
