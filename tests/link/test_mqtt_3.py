"""MQTT 3.1.1: where a broker has no more, what it does all the same, and how little its acknowledgements say."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import kill
from pathlib import Path
from typing import get_args

import pytest

from agent.event_types import Stream
from agent.link import LinkState, Message, MqttConnection, MqttVersion, PubAck, SubscriptionRefused, Will
from agent.link.dial import Endpoint
from agent.link.errors import BrokerRefused, ConnectionLost
from sim.broker import Broker, BrokerKind, running_broker
from sim.network import FaultProxy
from tests.link.device import SALE, STOCK, Device, device
from tests.link.ledger_world import in_ledger, twin
from tests.link.peers import DEADLINE_S, read_packet, serving, until
from tests.link.raw_broker import CONNACK_3, broker_that

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)


@asynccontextmanager
async def old_broker(kind: BrokerKind, folder: Path) -> AsyncIterator[Broker]:
    """Iotcore speaks nothing newer here; mosquitto also does, when asked."""
    async with running_broker(kind, folder, mqtt_5=kind == "mosquitto") as broker:
        yield broker


both_brokers = pytest.mark.parametrize("kind", KINDS)


def connection(port: int, name: str = "device", **changes: object) -> MqttConnection:
    defaults = {
        "client_id": name, "version": MqttVersion.V3, "keepalive_s": 5, "connect_timeout_s": DEADLINE_S
    }  # fmt: skip
    return MqttConnection(Endpoint("127.0.0.1", port), **(defaults | changes))  # type: ignore[arg-type]  # by name


async def following(open_connection: MqttConnection) -> PubAck | Message:
    return await asyncio.wait_for(anext(open_connection), DEADLINE_S)


# --- one connection ----------------------------------------------------------------------------------------------


@both_brokers
async def test_messages_go_both_ways_and_retained_ones_say_so(kind: BrokerKind, tmp_path: Path) -> None:
    async with old_broker(kind, tmp_path) as broker, connection(broker.port, "first") as first:
        mid = first.publish("a/kept", b"old", retain=True, content_type="application/json")
        assert await following(first) == PubAck(mid, 0)
        async with connection(broker.port, "second") as second:
            await second.subscribe("a/#")
            assert await following(second) == Message("a/kept", b"old", retained=True)
            first.publish("a/live", b"new")
            assert await following(second) == Message("a/live", b"new", retained=False)


@both_brokers
async def test_the_will_speaks_when_the_connection_breaks(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        old_broker(kind, tmp_path) as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        connection(broker.port, "reader") as reader,
        connection(proxy.port, will=Will("a/state", b"gone")) as cut,
    ):
        await reader.subscribe("a/#")
        cut.publish("a/state", b"here")
        await following(cut)
        proxy.cut()
        with pytest.raises(ConnectionLost):
            await following(cut)
        assert [await following(reader) for _ in range(2)] == [
            Message("a/state", b"here", retained=False),
            Message("a/state", b"gone", retained=False),
        ]


@pytest.mark.case("N4")
async def test_a_publish_that_the_broker_throws_away_is_acknowledged_all_the_same(tmp_path: Path) -> None:
    acl = "topic readwrite open/#\n"
    async with (
        running_broker("mosquitto", tmp_path, acl=acl) as broker,
        connection(broker.port) as device,
        connection(broker.port, version=MqttVersion.V5, name="newer") as newer,
    ):
        mid = device.publish("closed/a", b"x")
        assert await following(device) == PubAck(mid, 0)
        mid = newer.publish("closed/a", b"x")
        assert await following(newer) == PubAck(mid, 0x87)


async def test_a_refused_subscription_raises() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_packet(reader)
        writer.write(b"\x90\x03" + body[:2] + b"\x80")

    async with serving(broker_that(CONNACK_3, refuse)) as port, connection(port) as device:
        with pytest.raises(SubscriptionRefused):
            await device.subscribe("a/#")


@pytest.mark.parametrize(("code", "says", "found"), [(4, "user name", 0x86), (5, "may not", 0x87), (3, "0x88", 0x88)])
async def test_a_refused_connection_is_told_in_plain_words(code: int, says: str, found: int) -> None:
    async with serving(broker_that(b"\x20\x02\x00" + bytes([code]))) as port:
        with pytest.raises(BrokerRefused, match=says) as refused:
            async with connection(port):
                pass
    assert refused.value.code == found


async def test_the_connect_packet_asks_for_a_clean_session() -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await read_packet(reader))[1])
        writer.write(CONNACK_3)
        await reader.read()

    async with serving(note) as port, connection(port):
        pass
    assert seen[0][:8] == b"\x00\x04MQTT\x04\x02"


# --- the link ----------------------------------------------------------------------------------------------------


@pytest.mark.case("N4")
async def test_a_broker_without_mqtt_5_is_found_out_and_remembered_and_the_weaker_promise_told(tmp_path: Path) -> None:
    async with (
        running_broker("iotcore", tmp_path / "broker", mqtt_5=False) as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        device(tmp_path, proxy.port) as one,
    ):
        await one.append(SALE, 50)
        await one.delivered()
        status = one.link.status()
        assert (status.state, status.protocol, status.verifiable) == (LinkState.ONLINE, "3.1.1", False)
        assert "delivery is not verifiable without receipts" in status.reason
        tried = proxy.connections
        assert tried == 3  # two with MQTT 5
        proxy.cut()
        await until(lambda: one.link.status().state is LinkState.OFFLINE)
        proxy.restore()
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        await one.append(SALE, 50)
        await one.delivered()
        assert one.link.status().protocol == "3.1.1"


@pytest.mark.parametrize("connack", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00"])
async def test_a_broker_that_says_it_has_no_mqtt_5_is_not_asked_twice(connack: bytes, tmp_path: Path) -> None:
    levels: list[int] = []

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_packet(reader)
        levels.append(body[6])
        writer.write(connack if body[6] == 5 else CONNACK_3)
        await writer.drain()
        if body[6] == 4:
            await reader.read()

    async with serving(old) as port, device(tmp_path, port) as one:
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        assert levels == [5, 4]
        assert one.link.status().protocol == "3.1.1"


async def test_where_mqtt_5_is_demanded_an_old_broker_is_refused(tmp_path: Path) -> None:
    async with serving(broker_that(b"\x20\x02\x00\x01")) as port, device(tmp_path, port, protocol="5") as one:
        await until(lambda: one.link.status().state is LinkState.REFUSED)
        assert "does not speak MQTT 5" in one.link.status().reason


async def test_with_mqtt_5_refusals_are_seen(tmp_path: Path) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, device(tmp_path, broker.port) as one:
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        assert (one.link.status().protocol, one.link.status().verifiable) == ("5", True)


# --- what the broker throws away in silence ----------------------------------------------------------------------

NO_STOCK = "topic readwrite sf/#\ntopic deny sf/v1/+/+/evt/stock\n"
ALL = "topic readwrite sf/#\n"


async def sell_on(one: Device) -> None:
    while True:
        await one.append(SALE)
        await one.delivered()


def allow_all(broker: Broker) -> None:
    """Mosquitto reads its access list again."""
    (broker.folder / "mosquitto.acl").write_text(ALL)
    assert broker.pid is not None
    kill(broker.pid, signal.SIGHUP)


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.link.ledger_word.RECEIPT_PATIENCE_S", 0.05)
    monkeypatch.setattr("agent.link.ledger_word.REPEAT_AFTER_S", 0.5)
    monkeypatch.setattr("agent.link.ledger_word.SILENCE_MIN_S", 0.3)
    monkeypatch.setattr("agent.link.ledger_word.SILENCE_MAX_S", 1.0)


@pytest.mark.case("N4")
@pytest.mark.parametrize("others", [1, 0], ids=["other streams arrive", "nothing else arrives"])
async def test_by_its_receipts_it_is_noticed_told_and_sent_again(
    others: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick(monkeypatch)
    async with (
        running_broker("mosquitto", tmp_path / "broker", acl=NO_STOCK) as broker,
        twin(tmp_path, broker.port) as ledger,
        device(tmp_path, broker.port, protocol="3.1.1", receipt_wait_s=0.5) as one,
    ):
        await until(lambda: one.link.receipts() is not None)
        assert one.link.status().verifiable
        assert one.link.status().reason == ""
        await one.append(STOCK, 20)
        await one.delivered()  # so the broker says
        seller = asyncio.create_task(sell_on(one) if others else asyncio.Event().wait())
        await until(lambda: "the ledger lacks stock after 0, although the broker" in one.link.status().reason)
        assert in_ledger(ledger, Stream.STOCK) == 0
        allow_all(broker)
        await until(lambda: in_ledger(ledger, Stream.STOCK) == 20)
        await until(lambda: "lacks" not in one.link.status().reason)
        seller.cancel()
        assert bool(others) == bool(in_ledger(ledger, Stream.SALES))
