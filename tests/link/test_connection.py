"""One MQTT 5 connection: both brokers, a broker behind TLS, and servers that are no brokers at all."""

import asyncio
from pathlib import Path
from typing import get_args

import aiomqtt
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.link.connection import (
    EVENTS_WAITING_MAX,
    Login,
    Message,
    MqttConnection,
    PubAck,
    Will,
    packet_overhead_bytes,
)
from agent.link.dial import Endpoint, tls_context
from agent.link.errors import BrokerRefused, BrokerUnreachable, ConnectionLost, LinkMisconfigured, SubscriptionRefused
from sim.broker import BrokerKind, BrokerLimits, running_broker
from sim.network import FaultProxy
from tests.link.certificates import Authority
from tests.link.peers import DEADLINE_S, connack, read_packet, serving, tls_in_front_of, until
from tests.link.raw_broker import broker_that

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)

DISCONNECT = 0xE0

both_brokers = pytest.mark.parametrize("kind", KINDS)


def connection(port: int, name: str = "device", **changes: object) -> MqttConnection:
    defaults = {"client_id": name, "keepalive_s": 5, "connect_timeout_s": DEADLINE_S}
    return MqttConnection(Endpoint("127.0.0.1", port), **(defaults | changes))  # type: ignore[arg-type]  # by name


def reader_of(port: int) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, identifier="reader")


async def following(open_connection: MqttConnection) -> PubAck | Message:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(open_connection)


async def lost_reason(open_connection: MqttConnection) -> str:
    with pytest.raises(ConnectionLost) as lost:
        await drained(open_connection)
    return str(lost.value)


async def drained(open_connection: MqttConnection) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async for _ in open_connection:
            pass


# --- with a real broker ------------------------------------------------------------------------------------------


@both_brokers
async def test_a_publish_arrives_with_its_content_type_and_is_answered(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, reader_of(broker.port) as reader:
        await reader.subscribe("a/#", qos=1)
        async with connection(broker.port) as device:
            mid = device.publish("a/b", b"[1]", content_type="application/json")
            assert await following(device) == PubAck(mid, 0)
        async with asyncio.timeout(DEADLINE_S):
            message = await anext(reader.messages)
        assert message.payload == b"[1]"
        assert vars(message.properties)["ContentType"] == "application/json"


@both_brokers
async def test_messages_of_a_subscription_arrive_and_retained_ones_say_so(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, connection(broker.port, "first") as first:
        first.publish("a/kept", b"old", retain=True)
        await following(first)
        async with connection(broker.port, "second") as second:
            await second.subscribe("a/#")
            assert await following(second) == Message("a/kept", b"old", retained=True)
            first.publish("a/live", b"new")
            assert await following(second) == Message("a/live", b"new", retained=False)


@both_brokers
async def test_many_large_publishes_are_all_answered(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, connection(broker.port) as device:
        waiting = {device.publish("a/b", bytes(200_000)) for _ in range(40)}
        while waiting:
            event = await following(device)
            assert isinstance(event, PubAck)
            waiting.remove(event.mid)


@both_brokers
async def test_the_will_speaks_when_the_connection_breaks(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path) as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        reader_of(broker.port) as reader,
        connection(proxy.port, will=Will("a/state", b"gone")) as cut,
    ):
        await reader.subscribe("a/#", qos=1)
        cut.publish("a/state", b"here")
        await following(cut)
        proxy.cut()
        assert "lost" in await lost_reason(cut)
        with pytest.raises(ConnectionLost):
            cut.publish("a/state", b"too late")
        async with asyncio.timeout(DEADLINE_S):
            assert [(await anext(reader.messages)).payload for _ in range(2)] == [b"here", b"gone"]


async def test_after_a_goodbye_the_will_says_nothing(tmp_path: Path) -> None:
    # Not on iotcore: of a hundred connections that said goodbye it publishes the will of some all the same.
    async with running_broker("mosquitto", tmp_path) as broker, reader_of(broker.port) as reader:
        await reader.subscribe("a/#", qos=1)
        for _ in range(10):
            async with connection(broker.port, will=Will("a/state", b"gone")) as polite:
                polite.publish("a/state", b"bye")
            async with connection(broker.port) as later:
                later.publish("a/state", b"next")
                await following(later)
        async with asyncio.timeout(DEADLINE_S):
            assert [(await anext(reader.messages)).payload for _ in range(20)] == [b"bye", b"next"] * 10


async def test_a_goodbye_arrives_whatever_the_broker_has_said_meanwhile() -> None:
    """A socket that is closed while something lies unread in it is reset, and takes what was sent with it."""
    heard: list[int] = []
    said = asyncio.Event()
    message = b"\x30\x05\x00\x01a\x00x"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(connack() + message * 2 * EVENTS_WAITING_MAX)  # more than it reads before somebody takes them
        await writer.drain()
        said.set()
        while True:
            try:
                heard.append((await read_packet(reader))[0])
            except (asyncio.IncompleteReadError, ConnectionError):
                heard.append(0)
            if heard[-1] in (0, DISCONNECT):
                return

    async with serving(talk) as port:
        async with connection(port) as device:
            await said.wait()
            await until(lambda: len(device._waiting) >= EVENTS_WAITING_MAX)
            device.publish("a/state", bytes(1_000_000))
        await until(lambda: bool(heard) and heard[-1] in (0, DISCONNECT))
    assert heard == [0x32, DISCONNECT]


@both_brokers
async def test_leaving_by_an_exception_lets_the_will_speak(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, reader_of(broker.port) as reader:
        await reader.subscribe("a/#", qos=1)
        with pytest.raises(RuntimeError, match="ours"):
            async with connection(broker.port, will=Will("a/state", b"gone")):
                raise RuntimeError("ours")
        async with asyncio.timeout(DEADLINE_S):
            assert (await anext(reader.messages)).payload == b"gone"


@both_brokers
async def test_a_killed_broker_is_noticed(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, connection(broker.port) as device:
        broker.kill()
        assert await lost_reason(device) == f"connection to 127.0.0.1:{broker.port} lost"


async def test_the_brokers_limits_are_known_after_connecting(tmp_path: Path) -> None:
    limits = BrokerLimits(packet_bytes_max=50_000, inflight_messages_max=7)
    async with running_broker("mosquitto", tmp_path, limits=limits) as broker, connection(broker.port) as device:
        assert device.limits.packet_bytes_max == 50_000
        assert device.limits.receive_maximum == 7


async def test_an_oversize_publish_ends_the_connection_with_the_brokers_reason(tmp_path: Path) -> None:
    limits = BrokerLimits(packet_bytes_max=2_000)
    async with running_broker("mosquitto", tmp_path, limits=limits) as broker, connection(broker.port) as device:
        device.publish("a/b", bytes(4_000))
        assert "0x95 packet too large" in await lost_reason(device)


async def test_refused_publishes_and_subscriptions_are_told_by_code(tmp_path: Path) -> None:
    acl = "topic write open/#\n"
    async with running_broker("mosquitto", tmp_path, acl=acl) as broker, connection(broker.port) as device:
        mid = device.publish("closed/a", b"x")
        assert await following(device) == PubAck(mid, 0x87)
        mid = device.publish("open/a", b"x")
        assert await following(device) == PubAck(mid, 0x10)


@both_brokers
async def test_a_second_client_with_our_id_ends_our_connection(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path) as broker,
        connection(broker.port, "same") as first,
        connection(broker.port, "same") as second,
    ):
        assert "lost" in await lost_reason(first)
        mid = second.publish("a/b", b"x")
        assert isinstance(event := await following(second), PubAck)
        assert event.mid == mid


@both_brokers
async def test_an_idle_connection_stays_by_its_keep_alive(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path) as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        connection(proxy.port, keepalive_s=1) as device,
    ):
        before = proxy.bytes_down
        await until(lambda: proxy.bytes_down >= before + 4)  # the answers to two pings
        mid = device.publish("a/b", b"x")
        assert await following(device) in (PubAck(mid, 0x00), PubAck(mid, 0x10))


@pytest.mark.case("N2")
async def test_a_silent_line_ends_the_connection_after_the_keep_alive(tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path) as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        connection(proxy.port, keepalive_s=1) as device,
    ):
        proxy.black_hole()
        assert "has not answered" in await lost_reason(device)


async def test_tls_carries_everything_and_the_login(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        running_broker("mosquitto", tmp_path / "broker", acl="user till\ntopic readwrite a/#\n") as broker,
        tls_in_front_of(broker.port, authority.server()) as port,
    ):
        endpoint = Endpoint("127.0.0.1", port, tls_context(str(authority.file)))
        async with MqttConnection(endpoint, client_id="device", login=Login("till", "any")) as device:
            await device.subscribe("a/#")
            mids = {device.publish("a/b", bytes([number]) * 50_000) for number in range(20)}
            payloads: list[bytes] = []
            while mids or len(payloads) < 20:
                event = await following(device)
                if isinstance(event, PubAck):
                    assert event.code == 0
                    mids.remove(event.mid)
                else:
                    payloads.append(event.payload)
    assert payloads == [bytes([number]) * 50_000 for number in range(20)]


async def test_a_reader_that_does_not_keep_up_stops_the_reading_not_the_messages(tmp_path: Path) -> None:
    count = EVENTS_WAITING_MAX + 500
    limits = BrokerLimits(inflight_messages_max=1_000)
    async with running_broker("mosquitto", tmp_path, limits=limits) as broker, connection(broker.port) as device:
        await device.subscribe("a/#", qos=0)
        async with connection(broker.port, "writer") as writer:
            for number in range(count):
                writer.publish("a/b", str(number).encode(), qos=0)
        await until(lambda: not device._reading)
        assert len(device._waiting) <= EVENTS_WAITING_MAX + 500
        found = [await following(device) for _ in range(count)]
    assert [event.payload for event in found if isinstance(event, Message)] == [str(n).encode() for n in range(count)]


# --- with servers that misbehave ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (0x84, "does not speak MQTT 5"),
        (0x01, "does not speak MQTT 5"),  # how a broker of MQTT 3.1.1 says it
        (0x85, "client id"),
        (0x86, "user name or password"),
        (0x87, "may not connect"),
        (0x88, "0x88 server unavailable"),
        (0x97, "0x97 quota exceeded"),
    ],
)
async def test_a_refused_connection_is_told_in_plain_words(code: int, says: str) -> None:
    async with serving(broker_that(connack(code))) as port:
        with pytest.raises(BrokerRefused, match="refused the connection") as refused:
            async with connection(port):
                pass
    assert says in str(refused.value)
    assert refused.value.code == (0x84 if code == 1 else code)


async def test_the_connect_packet_asks_for_a_clean_start_and_bounded_messages() -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await read_packet(reader))[1])
        writer.write(connack())
        await reader.read()

    async with serving(note) as port, connection(port, receive_bytes_max=4_096):
        pass
    assert seen[0][:7] == b"\x00\x04MQTT\x05"
    assert seen[0][7] & 0x02  # clean start
    assert b"\x27\x00\x00\x10\x00" in seen[0]  # Maximum Packet Size


async def test_limits_in_the_connack_are_read() -> None:
    properties = b"\x21\x00\x05" + b"\x27\x00\x00\x20\x00" + b"\x12\x00\x02me"
    async with serving(broker_that(connack(properties=properties))) as port, connection(port) as device:
        assert device.limits.receive_maximum == 5
        assert device.limits.packet_bytes_max == 0x2000
        assert device.limits.client_id == "me"


async def test_a_server_that_says_nothing_is_given_up_after_the_time_out() -> None:
    async with serving(broker_that(b"")) as port:
        with pytest.raises(BrokerUnreachable, match="is this an MQTT broker"):
            async with connection(port, connect_timeout_s=0.2):
                pass


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 20, b"\x20\x01\x00", b"\xff" * 9])
async def test_a_server_of_another_protocol_is_told_as_such(answer: bytes) -> None:
    async with serving(broker_that(answer)) as port:
        with pytest.raises(BrokerUnreachable):
            async with connection(port, connect_timeout_s=0.3):
                pass


async def test_a_server_that_hangs_up_is_told_as_such() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)

    async with serving(hang_up) as port:
        with pytest.raises(BrokerUnreachable, match="before CONNACK"):
            async with connection(port):
                pass


async def test_the_brokers_reason_for_ending_a_connection_is_told() -> None:
    async with serving(broker_that(connack() + b"\xe0\x02\x8b\x00")) as port, connection(port) as device:
        with pytest.raises(ConnectionLost, match="0x8B server shutting down") as lost:
            await following(device)
    assert lost.value.code == 0x8B


async def test_a_take_over_is_told_where_the_broker_says_so() -> None:
    async with serving(broker_that(connack() + b"\xe0\x02\x8e\x00")) as port, connection(port) as device:
        assert "another client uses this client id" in await lost_reason(device)


async def test_a_refused_subscription_raises() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_packet(reader)
        writer.write(b"\x90\x04" + body[:2] + b"\x00\x87")

    async with serving(broker_that(connack(), refuse)) as port, connection(port) as device:
        with pytest.raises(SubscriptionRefused, match="0x87 not authorized"):
            await device.subscribe("a/#")


async def test_a_subscription_ends_with_its_connection() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.transport.abort()

    async with serving(broker_that(connack(), hang_up)) as port, connection(port) as device:
        with pytest.raises(ConnectionLost):
            await device.subscribe("a/#")


async def test_answers_to_nothing_are_ignored() -> None:
    puback, suback = b"\x40\x02\x00\x63", b"\x90\x04\x00\x63\x00\x00"
    answer = connack() + puback + puback + suback + b"\xd0\x00" + b"\xe0\x00"
    async with serving(broker_that(answer)) as port, connection(port) as device:
        with pytest.raises(ConnectionLost, match="without a reason"):
            await following(device)


async def test_a_fault_of_the_protocol_library_ends_the_connection_and_is_not_lost() -> None:
    async with serving(broker_that(connack())) as port, connection(port) as device:
        device._guard(lambda: 1 // 0)
        with pytest.raises(ConnectionLost, match="ZeroDivisionError") as lost:
            await following(device)
        assert isinstance(lost.value.__cause__, ZeroDivisionError)
        with pytest.raises(ConnectionLost):
            await device.subscribe("a/#")


async def test_a_topic_that_is_not_utf_8_is_ignored() -> None:
    bad = b"\x30\x06\x00\x02\xff\xfe\x00x"
    good = b"\x30\x06\x00\x02ab\x00x"
    async with serving(broker_that(connack() + bad + good)) as port, connection(port) as device:
        assert await following(device) == Message("ab", b"x", retained=False)


async def test_goodbye_is_bounded_when_the_line_is_dead(tmp_path: Path) -> None:
    async with running_broker("mosquitto", tmp_path) as broker, FaultProxy(broker.host, broker.port) as proxy:
        async with connection(proxy.port) as device:
            proxy.black_hole()
            for _ in range(40):
                device.publish("a/b", bytes(1_000_000))
            async with asyncio.timeout(DEADLINE_S):
                await device.disconnect()
        proxy.restore()


async def test_plaintext_to_another_machine_is_refused() -> None:
    with pytest.raises(LinkMisconfigured, match="TLS is off"):
        async with MqttConnection(Endpoint("192.0.2.1", 1883), client_id="device"):
            pass


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6))
async def test_no_bytes_of_a_broker_do_more_than_end_the_connection(packets: list[bytes]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for packet in packets:
            writer.write(packet)
            framed = packet[:1] + bytes([len(packet) - 1]) + packet[1:]
            writer.write(framed)
        await writer.drain()
        writer.write_eof()

    async with serving(broker_that(connack(), talk)) as port, connection(port) as device:
        await lost_reason(device)


def test_the_overhead_of_a_publish_is_never_less_than_the_packets() -> None:
    topic, content_type = "sf/v1/store-1/box-1/evt/sales", "application/cloudevents-batch+json"
    properties = 1 + 1 + 2 + len(content_type)
    assert packet_overhead_bytes(topic, content_type) >= 1 + 4 + 2 + len(topic) + 2 + properties
