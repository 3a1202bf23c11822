"""Both brokers: loopback only, MQTT 5 with everything we use, gone with their parent, back on the same port."""

import asyncio
import os
import select
import socket
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import get_args

import aiomqtt
import pytest

from sim.broker import Broker, BrokerKind, BrokerLimits, BrokerUnavailable, listeners_of, running_broker
from sim.cloud.connection import mqtt_client, publish_properties

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
DEADLINE_S = 10.0


def client(broker: Broker, name: str, *, session_expiry_s: int = 0) -> aiomqtt.Client:
    return mqtt_client(broker.host, broker.port, name, session_expiry_s=session_expiry_s)


async def bodies(subscriber: aiomqtt.Client, count: int) -> list[bytes]:
    found: list[bytes] = []
    async with asyncio.timeout(DEADLINE_S):
        async for message in subscriber.messages:
            assert isinstance(message.payload, bytes)
            found.append(message.payload)
            if len(found) == count:
                break
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_listens_on_loopback_only(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker:
        assert broker.pid is not None
        listeners = listeners_of(broker.pid)
        assert listeners == {("127.0.0.1", broker.port)}
        assert all(ip_address(address).is_loopback for address, _ in listeners)


def test_listeners_of_sees_ipv4_and_ipv6_sockets_of_a_process() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        found = listeners_of(os.getpid())
        assert ("127.0.0.1", four.getsockname()[1]) in found
        assert ("::1", six.getsockname()[1]) in found


def test_a_process_that_is_gone_listens_on_nothing() -> None:
    assert listeners_of(2**22 + 1) == set()


@pytest.mark.parametrize("kind", KINDS)
async def test_messages_keep_their_mqtt_5_properties(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, client(broker, "sub") as sub, client(broker, "pub") as pub:
        await sub.subscribe("sf/v1/+/+/evt/#", qos=1)
        properties = publish_properties("application/cloudevents-batch+json")
        await pub.publish("sf/v1/s/d/evt/sales", b"[]", qos=1, properties=properties)
        async with asyncio.timeout(DEADLINE_S):
            message = await anext(sub.messages)
        assert message.properties is not None
        assert vars(message.properties)["ContentType"] == "application/cloudevents-batch+json"


@pytest.mark.parametrize("kind", KINDS)
async def test_retained_messages_wait_for_a_subscriber(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, client(broker, "pub") as pub:
        await pub.publish("sf/v1/s/d/ack", b"old", qos=1, retain=True)
        await pub.publish("sf/v1/s/d/ack", b"new", qos=1, retain=True)
        async with client(broker, "sub") as sub:
            await sub.subscribe("sf/v1/+/+/ack", qos=1)
            assert await bodies(sub, 1) == [b"new"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_keeps_messages_while_its_client_is_away(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker, client(broker, "pub") as pub:
        async with client(broker, "sub", session_expiry_s=600) as sub:
            await sub.subscribe("t/#", qos=1)
        for number in range(5):
            await pub.publish("t/x", b"%d" % number, qos=1)
        async with client(broker, "sub", session_expiry_s=600) as sub:
            assert await bodies(sub, 5) == [b"%d" % number for number in range(5)]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_batch_near_the_packet_limit_passes(kind: BrokerKind, tmp_path: Path) -> None:
    limits = BrokerLimits(packet_bytes_max=150_000)
    async with running_broker(kind, tmp_path, limits=limits) as broker, client(broker, "sub") as sub:
        await sub.subscribe("t", qos=1)
        async with client(broker, "pub") as pub:
            await pub.publish("t", b"x" * 140_000, qos=1)
        assert [len(body) for body in await bodies(sub, 1)] == [140_000]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_broker_comes_back_on_its_port(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker:
        port, first = broker.port, broker.pid
        broker.kill()
        assert not broker.running
        await broker.start()
        assert broker.port == port
        assert broker.pid not in (None, first)
        async with client(broker, "any") as someone:
            await someone.publish("t", b"x", qos=1)


@pytest.mark.parametrize("kind", KINDS)
async def test_stop_and_start_are_harmless_twice(kind: BrokerKind, tmp_path: Path) -> None:
    broker = Broker(kind, tmp_path)
    await broker.stop()
    await broker.start()
    pid = broker.pid
    await broker.start()
    assert broker.pid == pid
    await broker.stop()
    await broker.stop()
    broker.kill()
    assert broker.pid is None


async def test_mosquitto_can_keep_retained_messages_over_a_restart(tmp_path: Path) -> None:
    async with running_broker("mosquitto", tmp_path, persistent=True) as broker:
        async with client(broker, "pub") as pub:
            await pub.publish("kept", b"x", qos=1, retain=True)
        await broker.stop()
        await broker.start()
        async with client(broker, "sub") as sub:
            await sub.subscribe("kept", qos=1)
            assert await bodies(sub, 1) == [b"x"]


async def test_mosquitto_refuses_what_its_access_list_does_not_name(tmp_path: Path) -> None:
    acl = "topic readwrite open/#\n"
    async with (
        running_broker("mosquitto", tmp_path, acl=acl) as broker,
        client(broker, "sub") as sub,
        client(broker, "pub") as pub,
    ):
        await sub.subscribe("#", qos=1)
        await pub.publish("closed/x", b"no", qos=1)
        await pub.publish("open/x", b"yes", qos=1)
        assert await bodies(sub, 1) == [b"yes"]


def test_iotcore_says_that_it_has_no_access_lists(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="use mosquitto"):
        Broker("iotcore", tmp_path, acl="topic read x\n")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_port_in_use_is_told(kind: BrokerKind, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerUnavailable, match=rf"{kind} cannot have 127\.0\.0\.1:{port}: .*in use"):
            async with running_broker(kind, tmp_path, port=port):
                pass


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_that_does_not_start_is_told_in_its_own_words(kind: BrokerKind, tmp_path: Path) -> None:
    limits = BrokerLimits(packet_bytes_max=-1)
    with pytest.raises(BrokerUnavailable, match=rf"(?si){kind} does not listen on 127\.0\.0\.1:.*invalid"):
        async with running_broker(kind, tmp_path, limits=limits):
            pass


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_gets_the_port_of_a_killed_broker(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path) as broker:
        broker.kill()
        with pytest.raises(ConnectionRefusedError), socket.create_connection((broker.host, broker.port)):
            pass
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((broker.host, broker.port))


async def test_a_missing_mosquitto_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(BrokerUnavailable, match="apt-get install mosquitto"):
        await Broker("mosquitto", tmp_path).start()


PARENT = """
import asyncio, sys
from pathlib import Path
from sim.broker import Broker

async def main():
    broker = Broker(sys.argv[1], Path(sys.argv[2]))
    await broker.start()
    print(broker.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_ends_with_its_parent(kind: BrokerKind, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, kind, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        watch = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            gone, _, _ = select.select([watch], [], [], DEADLINE_S)
            assert gone
        finally:
            os.close(watch)
