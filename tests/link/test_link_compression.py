"""Compression on real brokers: only for a ledger that says so, in both versions of MQTT, and nothing is lost by it."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.link import LinkState
from agent.link.compression import MAGIC, compressed
from agent.topics import Channel
from sim.broker import BrokerKind, running_broker
from sim.network import PROFILES
from tests.link.device import NAME, SALE, SENSOR, STOCK, Cloud, device
from tests.link.ledger_world import in_ledger, twin
from tests.link.peers import until
from tests.link.shop import shop
from tests.sim.cloud.publishes import rows

CLOCK = SystemClock()
MALFORMED = ("zstd", {"zstd": 1}, [1], ["zstd"] * 17, ["z" * 33], None)
UNKNOWN = ["zstd ", "ZSTD", "", "../zstd"]
KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
both_brokers = pytest.mark.parametrize("kind", KINDS)
both_versions = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


async def said(cloud: Cloud, **document: Any) -> None:  # Any: JSON
    """The ledger says something that asks for nothing."""
    await cloud.tell_raw(json.dumps({"receipts": [], **document}).encode())


@both_versions
@both_brokers
async def test_batches_are_compressed_from_when_a_ledger_says_that_it_reads_it_until_it_no_longer_does(
    kind: BrokerKind, protocol: str, tmp_path: Path
) -> None:
    mqtt_5 = protocol == "5" or kind == "mosquitto"  # which speaks both
    async with (
        running_broker(kind, tmp_path / "broker", mqtt_5=mqtt_5) as broker,
        Cloud.listening(broker.port, mqtt_5=mqtt_5) as cloud,
        device(tmp_path, broker.port, protocol=protocol) as one,
    ):
        for count, accepts in enumerate((None, ["br", "zstd"], ["gzip"], ["zstd"], []), 1):
            expected = "zstd" if "zstd" in (accepts or []) else ""
            if accepts is not None:
                await said(cloud, accepts=accepts)
            await until(lambda: one.link.status().encoding == expected)  # noqa: B023 - awaited within its round
            await one.append(SALE, 30)
            await cloud.heard(Stream.SALES, 30 * count)
            assert set(cloud.encodings) == {expected}
            cloud.encodings.clear()
        bodies = [event.body for event in one.stored(Stream.SALES)]
        assert b",".join(batch[1:-1] for batch in cloud.batches["sales"]) == b",".join(bodies)
        assert cloud.content_types == {"application/cloudevents-batch+json" if protocol == "5" else ""}
        status = one.link.status()
        assert (status.reconnects, status.redelivered) == (0, 0)
        assert status.sent_bytes < status.plain_bytes


@pytest.mark.parametrize(("kind", "protocol"), [("mosquitto", "5"), ("iotcore", "5"), ("mosquitto", "3.1.1")])
async def test_a_ledger_takes_compressed_batches_whole(kind: BrokerKind, protocol: str, tmp_path: Path) -> None:
    async with shop(kind, tmp_path, protocol=protocol) as one:
        await until(lambda: one.device.link.status().encoding == "zstd")
        for type_name in (SALE, STOCK, SENSOR):
            await one.device.append(type_name, 500)
        found = await one.all_is_there_once()
        assert found.events == 1_500
        status = one.device.link.status()
        assert status.sent_bytes * 5 < status.plain_bytes


@both_brokers
async def test_a_ledger_that_offers_nothing_gets_plain_batches_also_after_one_that_did(
    kind: BrokerKind, tmp_path: Path
) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, device(tmp_path, broker.port) as one:
        async with twin(tmp_path, broker.port) as ledger:
            await until(lambda: one.link.status().encoding == "zstd")
            await one.append(SALE, 100)
            await until(lambda: in_ledger(ledger, Stream.SALES) == 100)
        compressed_bytes = one.link.status().sent_bytes
        async with twin(tmp_path, broker.port, accepts=()) as ledger:
            await until(lambda: one.link.status().encoding == "")
            await one.append(SALE, 100)
            await until(lambda: in_ledger(ledger, Stream.SALES) == 200)
        assert one.link.status().sent_bytes > 5 * compressed_bytes


@both_brokers
async def test_with_the_setting_off_nothing_is_compressed(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        twin(tmp_path, broker.port) as ledger,
        device(tmp_path, broker.port, compression="off") as one,
    ):
        await until(lambda: one.link.receipts() is not None)
        await one.append(SALE, 100)
        await until(lambda: in_ledger(ledger, Stream.SALES) == 100)
        status = one.link.status()
        assert (status.encoding, status.sent_bytes) == ("", status.plain_bytes)


@pytest.mark.case("N11")
async def test_an_offer_that_is_malformed_is_refused_with_the_reason_and_the_link_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port) as one,
    ):
        await said(cloud)
        await until(lambda: one.link.receipts() is not None)
        for accepts in MALFORMED:
            await said(cloud, accepts=accepts)
        await said(cloud, accepts=UNKNOWN)
        await until(lambda: (found := one.link.receipts()) is not None and found.accepts == UNKNOWN)
        await one.append(SALE, 30)
        await cloud.heard(Stream.SALES, 30)
        assert set(cloud.encodings) == {""}
        assert one.link.status().state is LinkState.ONLINE
        assert one.link.status().reconnects == 0
    refused = [message for message in caplog.messages if "not a receipt: accepts" in message]
    assert len(refused) == len(MALFORMED)


@pytest.mark.case("N11")
async def test_a_forged_offer_loses_nothing_though_the_ledger_cannot_read_what_it_gets(tmp_path: Path) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await said(cloud, accepts=["zstd"])
            await until(lambda: one.link.status().encoding == "zstd")
            await one.append(SALE, 100)
            await one.delivered()
            await cloud.heard(Stream.SALES, 100)
            assert set(cloud.encodings) == {"zstd"}
        await cloud.tell(complete=True)  # the true ledger, which could read none of it
        cloud.encodings.clear()
        cloud.batches.clear()
        async with device(tmp_path, broker.port) as one:
            await cloud.heard(Stream.SALES, 100)
            assert cloud.sequences(Stream.SALES) == list(range(1, 101))
            assert set(cloud.encodings) == {""}


async def test_a_bomb_between_two_batches_is_a_dead_letter_and_the_others_count(tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        twin(tmp_path, broker.port) as ledger,
        device(tmp_path, broker.port) as one,
    ):
        await until(lambda: one.link.status().encoding == "zstd")
        await one.append(SALE, 50)
        await until(lambda: in_ledger(ledger, Stream.SALES) == 50)
        whole = compressed(b"[" + b" " * 300_000_000 + b"]")
        for payload in (whole, whole[:-9], MAGIC):
            await cloud.client.publish(NAME.topic(Channel.EVENTS, Stream.SALES), payload, qos=1)
        await one.append(SALE, 50)
        await until(lambda: in_ledger(ledger, Stream.SALES) == 100)
    reasons = [reason for (reason,) in rows(tmp_path / "ledger.sqlite", "SELECT reason FROM dead_letters")]
    assert reasons == ["a zstd frame that holds more than 1,048,576 bytes"] * 2 + ["a zstd frame that was cut off"]


@pytest.mark.case("N13")
async def test_over_3g_a_backlog_is_gone_in_a_fraction_of_the_time(tmp_path: Path) -> None:
    events = 1_000
    async with shop("mosquitto", tmp_path, PROFILES["3g"]) as one:
        await until(lambda: one.device.link.status().encoding == "zstd")
        await one.device.append(SALE, events)
        began_s = CLOCK.monotonic_s()
        await one.all_is_there_once()
        took_s = CLOCK.monotonic_s() - began_s
        plain_s = one.device.link.status().plain_bytes * 8 / 250_000
        assert took_s < plain_s / 3
