"""The doctor's way to the broker: each step well and ill, against real brokers and servers that are none."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.clock import SystemClock
from agent.doctor import Finding, Severity
from agent.doctor.broker_check import NOT_VERIFIABLE, look_at_broker
from agent.settings import Settings
from agent.topics import Channel
from sim.broker import BrokerKind, running_broker
from tests.agent_process import running_agent, settings_toml
from tests.doctor.patients import patient
from tests.link.black_hole import black_hole, two_addresses
from tests.link.certificates import Authority
from tests.link.device import NAME
from tests.link.peers import (
    DEADLINE_S,
    Script,
    answer_as_a_web_server,
    connack,
    hang_up,
    read_packet,
    server_context,
    serving,
)
from tests.link.sample_broker import link_settings, sample_broker

OK, WARNING, PROBLEM = Severity

IOTCORE_3_1_1 = """
id = 0
[router]
id = 0
max_connections = 10
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 2
[v4.1]
name = "v4-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
"""


async def looked(folder: Path, port: int, **link: Any) -> dict[str, Finding]:  # Any: link settings by name
    settings = Settings.model_validate({"link": {"port": port, "connect_timeout_s": DEADLINE_S} | link})
    of = patient(folder, settings=settings, clock=SystemClock())
    return {finding.check: finding async for finding in look_at_broker(of)}


def severities(found: dict[str, Finding]) -> dict[str, Severity]:
    return {check: finding.severity for check, finding in found.items()}


# --- all is well -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["iotcore", "mosquitto"])
async def test_at_a_broker_in_plaintext_each_step_is_told(tmp_path: Path, kind: BrokerKind) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker:
        found = await looked(tmp_path, broker.port)
    assert severities(found) == dict.fromkeys(("tcp", "tls", "mqtt", "round trip", "receipts"), OK)
    assert found["tls"].text == "off: plaintext, to this machine only"
    assert found["mqtt"].text.startswith("MQTT 5, let in after ")
    assert found["round trip"].text.startswith("published and heard again after ")


async def test_with_certificates_the_brokers_is_told_and_the_ledgers_receipt_is_heard(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    topic = NAME.topic(Channel.RECEIPTS)
    async with sample_broker(tmp_path / "broker", authority) as broker:
        context = server_side_context(authority)
        async with aiomqtt.Client(broker.host, broker.port, tls_context=context, identifier="cloud") as client:
            await client.publish(topic, b"{}", qos=1, retain=True)
        found = await looked(tmp_path, broker.port, **link_settings(authority, authority.device()))
    assert severities(found) == dict.fromkeys(("tcp", "mqtt", "round trip", "receipts"), OK) | {"tls": WARNING}
    assert "TLSv1.3; certificate of 127.0.0.1 by CN=test authority, ends " in found["tls"].text
    assert found["tls"].remedy == "renew the broker's certificate in time"
    assert found["receipts"].text == "the cloud's ledger tells what it has"


def server_side_context(authority: Authority) -> Any:  # Any: aiomqtt takes what ssl gives
    from agent.link import tls_context  # noqa: PLC0415 - one use

    context = tls_context(str(authority.file))
    cloud = authority.device("cloud")
    context.load_cert_chain(cloud.certificate, cloud.key)
    return context


async def test_beside_a_running_agent_nothing_is_disturbed_and_nothing_is_left_behind(tmp_path: Path) -> None:
    heard: list[tuple[str, bool]] = []
    async with running_broker("mosquitto", tmp_path / "broker") as broker:
        async with running_agent(tmp_path / "box", settings_toml(link={"port": broker.port})) as agent:
            while (await agent.status())["link"]["state"] != "online":
                await asyncio.sleep(0.05)
            async with aiomqtt.Client(broker.host, broker.port, identifier="listener") as client:
                await client.subscribe("sf/#", qos=1)
                found = await looked(tmp_path, broker.port)
                await client.publish("sf/end", b"", qos=1)
                async for message in client.messages:
                    heard.append((message.topic.value, message.retain))
                    if message.topic.value == "sf/end":
                        break
            assert (await agent.status())["link"]["reconnects"] == 0
        async with aiomqtt.Client(broker.host, broker.port, identifier="later") as client:
            await client.subscribe("sf/#", qos=1)
            await client.publish("sf/end", b"", qos=1)
            retained = [message.topic.value async for message in until_end(client)]
    assert found["round trip"].severity is OK
    assert heard.count((NAME.topic(Channel.PROBE), False)) == 1
    assert [topic for topic, is_retained in heard if topic.endswith("/state") and not is_retained] == []
    assert NAME.topic(Channel.PROBE) not in retained


async def until_end(client: aiomqtt.Client) -> Any:  # Any: an async iterator of aiomqtt's messages
    async for message in client.messages:
        if message.topic.value == "sf/end":
            return
        yield message


async def test_a_link_that_is_off_and_settings_that_do_not_load_are_not_looked_at(tmp_path: Path) -> None:
    assert severities(await looked(tmp_path, 1, enabled=False)) == {"broker": OK}
    assert [finding async for finding in look_at_broker(patient(tmp_path, settings_problem="x"))] == []


# --- the network -----------------------------------------------------------------------------------------------


@pytest.mark.case("N10")
async def test_a_name_without_an_address_is_told(tmp_path: Path) -> None:
    found = await looked(tmp_path, 8883, host="a..b", tls=True)
    assert severities(found) == {"dns": PROBLEM}
    assert found["dns"].text.startswith("no address found for a..b: wrong name, or no DNS?")
    assert "getent ahosts a..b" in found["dns"].remedy


@pytest.mark.case("N10")
async def test_a_way_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    with black_hole() as port:
        found = await looked(tmp_path, port, connect_timeout_s=0.3)
    assert severities(found) == {"tcp": PROBLEM}
    assert found["tcp"].text == "no answer in time (link.connect_timeout_s)"


@pytest.mark.case("N10")
async def test_an_address_that_leads_nowhere_beside_one_that_answers_is_a_warning_and_the_rest_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker:
        two_addresses(monkeypatch, broker.port)
        with black_hole("127.0.0.2", broker.port):
            found = await looked(tmp_path, broker.port, host="localhost", connect_timeout_s=4)
    assert severities(found) == dict.fromkeys(("dns", "tls", "mqtt", "round trip", "receipts"), OK) | {"tcp": WARNING}
    assert found["dns"].text == "localhost is 127.0.0.2, 127.0.0.1"
    assert found["tcp"].text == "127.0.0.1 answers, 127.0.0.2 does not: connecting may take 2 s longer"


async def test_a_closed_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        found = await looked(tmp_path, bound.getsockname()[1])
    assert severities(found) == {"tcp": PROBLEM}
    assert "is the broker running?" in found["tcp"].text


@pytest.mark.case("N10")
@pytest.mark.parametrize(
    ("script", "tls", "check", "says"),
    [
        (answer_as_a_web_server, True, "tls", "or does a captive portal or proxy answer in its place?"),
        (hang_up, True, "tls", "or is a proxy in between?"),
        (answer_as_a_web_server, False, "mqtt", "is this an MQTT broker?"),
        (hang_up, False, "mqtt", "is this an MQTT 5 broker?"),
    ],
)
async def test_a_captive_portal_is_told_as_something_that_is_no_broker(
    tmp_path: Path, script: Script, tls: object, check: str, says: str
) -> None:
    async with serving(script) as port:
        found = await looked(tmp_path, port, tls=tls, connect_timeout_s=2)
    assert found[check].severity is PROBLEM
    assert says in found[check].text
    assert list(found)[-1] == check


@pytest.mark.case("N10")
async def test_a_captive_portal_with_a_certificate_of_its_own_is_told_by_its_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(hang_up, server_context(authority.server("portal.example"))) as port:
        found = await looked(tmp_path, port, tls=True, ca_file=str(authority.file))
    assert severities(found) == {"tcp": OK, "tls": PROBLEM}
    assert "it is for portal.example" in found["tls"].text


# --- the broker ------------------------------------------------------------------------------------------------


@pytest.mark.case("N4")
async def test_a_broker_of_mqtt_3_1_1_is_told_as_such(tmp_path: Path) -> None:
    async with running_broker("iotcore", tmp_path / "broker", config=IOTCORE_3_1_1) as broker:
        found = await looked(tmp_path, broker.port)
    assert found["mqtt"].severity is WARNING
    assert found["mqtt"].text == f"MQTT 3.1.1, 127.0.0.1:{broker.port} has no MQTT 5: {NOT_VERIFIABLE}"
    assert found["round trip"].severity is OK


@pytest.mark.case("N4")
async def test_a_broker_that_refuses_the_version_in_the_words_of_3_1_1_is_told_as_such(tmp_path: Path) -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_packet(reader)
        writer.write(b"\x20\x02\x00\x00" if body[6] == 4 else b"\x20\x02\x00\x01")
        await writer.drain()

        await reader.read()

    async with serving(old) as port:
        found = await looked(tmp_path, port, connect_timeout_s=0.3)
        demanding = await looked(tmp_path, port, protocol="5")
    assert NOT_VERIFIABLE in found["mqtt"].text
    assert demanding["mqtt"].severity is PROBLEM
    assert "does not speak MQTT 5" in demanding["mqtt"].text


@pytest.mark.parametrize(("code", "says"), [(0x86, "wrong user name or password"), (0x87, "may not connect")])
async def test_a_refused_connection_is_told_with_the_brokers_reason(tmp_path: Path, code: int, says: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_packet(reader)
        if body[6] == 5:
            writer.write(connack(code))
            await writer.drain()

    async with serving(refuse) as port:
        found = await looked(tmp_path, port)
    assert found["mqtt"].severity is PROBLEM
    assert says in found["mqtt"].text


@pytest.mark.parametrize(
    ("acl", "says"),
    [
        ("topic readwrite other/#", "the broker refuses publishes on sf/v1/store-1/box-1/probe: 0x87 not authorized"),
        (
            "topic write sf/v1/store-1/box-1/probe",
            "the broker acknowledged a publish on sf/v1/store-1/box-1/probe and never delivered it",
        ),
    ],
)
async def test_what_an_access_list_keeps_from_us_is_told(tmp_path: Path, acl: str, says: str) -> None:
    async with running_broker("mosquitto", tmp_path / "broker", acl=acl + "\n") as broker:
        found = await looked(tmp_path, broker.port, connect_timeout_s=1.5)
    assert found["round trip"] == Finding.problem("round trip", says, found["round trip"].remedy)
    assert "docs/brokers" in found["round trip"].remedy


async def test_a_subscription_that_the_broker_refuses_is_told(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(connack())
        _, body = await read_packet(reader)
        writer.write(b"\x90\x04" + body[:2] + b"\x00\x87")
        await writer.drain()
        await reader.read()

    async with serving(refuse) as port:
        found = await looked(tmp_path, port)
    assert found["round trip"].text == (
        "the broker refused the subscription to sf/v1/store-1/box-1/ack: 0x87 not authorized"
    )


async def test_a_broker_that_hangs_up_on_a_publish_is_told(tmp_path: Path) -> None:
    async def lose(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(connack())
        await read_packet(reader)

    async with serving(lose) as port:
        found = await looked(tmp_path, port)
    assert severities(found) == {"tcp": OK, "tls": OK, "mqtt": OK, "round trip": PROBLEM}


@pytest.mark.case("I3")
async def test_an_unusable_certificate_is_left_to_its_own_check_and_a_password_file_is_told(tmp_path: Path) -> None:
    device = Authority(tmp_path).device()
    device.key.chmod(0o644)
    files = {"tls": True, "certificate_file": str(device.certificate), "key_file": str(device.key)}
    async with serving(hang_up) as port:
        assert severities(await looked(tmp_path, port, **files)) == {"tcp": OK}
        found = await looked(tmp_path, port, username="x", password_file=str(tmp_path / "none"))
    assert found["tls"].text.endswith("No such file or directory")
