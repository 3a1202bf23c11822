"""The sample configuration for Mosquitto, run as it is: a device gets its own topics, and no other's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from agent.link import BrokerAccess, MqttConnection, PubAck, SubscriptionRefused
from agent.link.connection import Message
from agent.settings import LinkSettings
from agent.topics import Channel, DeviceName
from sim.broker import Broker
from tests.agent_process import running_agent, scan, settings_toml
from tests.link.certificates import Authority
from tests.link.device import NAME, QUICK
from tests.link.peers import DEADLINE_S, until
from tests.link.sample_broker import link_settings, sample_broker

OTHER = DeviceName("store-1", "box-2")
OTHER_SHOP = DeviceName("store-2", "box-1")


@asynccontextmanager
async def cloud(broker: Broker, authority: Authority) -> AsyncIterator[aiomqtt.Client]:
    """The cloud side, with the certificate that the sample's access list names."""
    settings = LinkSettings.model_validate(
        link_settings(authority, authority.device("cloud")) | {"certificate_name": ""}
    )
    context = BrokerAccess(settings, NAME).endpoint().tls
    async with aiomqtt.Client(
        broker.host, broker.port, identifier="cloud", protocol=aiomqtt.ProtocolVersion.V5, tls_context=context
    ) as client:
        yield client


@asynccontextmanager
async def as_device(broker: Broker, authority: Authority, name: DeviceName) -> AsyncIterator[MqttConnection]:
    settings = LinkSettings.model_validate(
        link_settings(authority, authority.device(f"{name.site}/{name.device}"))
        | {"host": broker.host, "port": broker.port}
    )
    endpoint = BrokerAccess(settings, name).endpoint()
    async with MqttConnection(endpoint, client_id=f"{name.device}@{name.site}") as connection:
        yield connection


async def code_of_publish(connection: MqttConnection, topic: str) -> int:
    mid = connection.publish(topic, b"x")
    async with asyncio.timeout(DEADLINE_S):
        async for event in connection:
            if isinstance(event, PubAck) and event.mid == mid:
                return event.code
    raise AssertionError


async def test_an_agent_delivers_hears_its_receipt_and_is_refused_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with sample_broker(tmp_path / "broker", authority) as broker, cloud(broker, authority) as client:
        await client.subscribe([(f"sf/v1/+/+/{channel}", 1) for channel in ("evt/+", "state")])
        link = link_settings(authority, authority.device()) | QUICK | {"host": broker.host, "port": broker.port}
        async with running_agent(tmp_path / "box", settings_toml(link=link)) as agent:
            await agent.post([scan("a")])
            async with asyncio.timeout(DEADLINE_S):
                async for message in client.messages:
                    if message.topic.matches(NAME.topic(Channel.EVENTS, "sales")):
                        (event,) = json.loads(message.payload)
                        break
            receipt = {
                "stream": "sales", "epoch": event["epoch"], "upto": 1, "last_id": event["id"],
                "missing": [], "conflicts": 0,
            }  # fmt: skip
            said = json.dumps({"complete": False, "receipts": [receipt], "days": []}).encode()
            await client.publish(NAME.topic(Channel.RECEIPTS), said, qos=1, retain=True)
            async with asyncio.timeout(DEADLINE_S), agent.session() as session:
                while True:
                    async with session.get("http://agent/v1/receipts") as response:
                        if "sales" in await response.text():
                            break
            status = await agent.status()
    assert event["id"] == "a"
    assert (status["link"]["state"], status["link"]["refused"]) == ("online", {})
    assert status["link"]["reconnects"] == 0
    assert not (tmp_path / "box" / "agent.log").read_text().count("refused")


@pytest.mark.case("I4")
async def test_a_device_publishes_on_its_own_topics_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        sample_broker(tmp_path / "broker", authority) as broker,
        as_device(broker, authority, NAME) as connection,
    ):
        for topic in (
            NAME.topic(Channel.EVENTS, "sales"),
            NAME.topic(Channel.STATE),
            NAME.topic(Channel.CONFIG, "reported"),
            NAME.topic(Channel.COMMANDS, "stop", "res", "c-1"),
            NAME.topic(Channel.PROBE),
        ):
            assert await code_of_publish(connection, topic) < 0x80, topic
        for topic in (
            OTHER.topic(Channel.EVENTS, "sales"),
            OTHER_SHOP.topic(Channel.EVENTS, "sales"),
            OTHER.topic(Channel.STATE),
            OTHER.topic(Channel.PROBE),
            NAME.topic(Channel.RECEIPTS),
            NAME.topic(Channel.CONFIG, "desired"),
            NAME.topic(Channel.PACKS, "offers"),
            NAME.topic(Channel.COMMANDS, "stop"),
            "sf/v1/_market/de/dat/offers",
            "anything",
        ):
            assert await code_of_publish(connection, topic) == 0x87, topic


@pytest.mark.case("I4")
async def test_a_device_hears_its_own_topics_and_its_markets_only(tmp_path: Path) -> None:
    """Mosquitto grants a subscription that its access list forbids, and delivers nothing: so what arrives counts."""
    authority = Authority(tmp_path)
    own = [
        NAME.topic(Channel.RECEIPTS),
        NAME.topic(Channel.CONFIG, "desired"),
        NAME.topic(Channel.PACKS, "offers"),
        NAME.topic(Channel.PACKS, "offers", "abc", "0"),
        NAME.topic(Channel.COMMANDS, "stop"),
        "sf/v1/_market/de/dat/offers",
    ]
    foreign = [
        OTHER.topic(Channel.RECEIPTS),
        OTHER_SHOP.topic(Channel.CONFIG, "desired"),
        OTHER.topic(Channel.PACKS, "offers"),
        OTHER.topic(Channel.COMMANDS, "stop"),
    ]
    heard: set[str] = set()
    async with (
        sample_broker(tmp_path / "broker", authority) as broker,
        cloud(broker, authority) as client,
        as_device(broker, authority, NAME) as connection,
    ):
        for topic in (*own, *foreign, "sf/#", "#"):
            try:
                await connection.subscribe(topic)
            except SubscriptionRefused:
                assert topic not in own
        for topic in (*foreign, *own):
            await client.publish(topic, b"x", qos=1, retain=True)

        async def listen() -> None:
            async for event in connection:
                if isinstance(event, Message):
                    heard.add(event.topic)

        listening = asyncio.create_task(listen())
        await until(lambda: heard >= set(own))
        listening.cancel()
    assert heard == set(own)


@pytest.mark.parametrize("common_name", ["store-1/+", "#", "+/+"])
async def test_a_common_name_with_wildcards_opens_no_other_topics(tmp_path: Path, common_name: str) -> None:
    authority = Authority(tmp_path)
    settings = link_settings(authority, authority.device(common_name)) | {"certificate_name": ""}
    async with sample_broker(tmp_path / "broker", authority) as broker:
        endpoint = BrokerAccess(
            LinkSettings.model_validate(settings | {"host": broker.host, "port": broker.port}), NAME
        ).endpoint()
        async with MqttConnection(endpoint, client_id="x") as connection:
            assert await code_of_publish(connection, NAME.topic(Channel.EVENTS, "sales")) == 0x87
