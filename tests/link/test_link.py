"""The link between a real log and real brokers: everything arrives, and nothing is called delivered that is not."""

import asyncio
import json
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.link import BrokerAccess, LinkState, ParkedStatus
from agent.log import CLOUD, START, Place
from sim.broker import BrokerKind, BrokerLimits, running_broker
from sim.cloud.holes import Gap
from sim.cloud.ledger import Ledger
from sim.cloud.twin import CloudTwin
from sim.network import FaultProxy
from tests.link.certificates import Authority
from tests.link.device import NAME, SALE, SCAN, SENSOR, STOCK, Cloud, Device, device
from tests.link.peers import connack, read_packet, serving, tls_in_front_of, until
from tests.log.world import raw

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)

both_brokers = pytest.mark.parametrize("kind", KINDS)


# --- delivery ------------------------------------------------------------------------------------------------------


@both_brokers
async def test_events_arrive_in_order_as_the_stored_bytes(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port, batch_events_max=30) as one,
    ):
        for _ in range(5):
            await one.append(SALE, 40)
            await one.append(STOCK, 10)
            await one.append(SENSOR, 20)
        await one.delivered()
        for stream, count in ((Stream.SALES, 200), (Stream.STOCK, 50), (Stream.SENSOR, 100)):
            await cloud.heard(stream, count)
            stored = b",".join(event.body for event in one.stored(stream))
            assert b",".join(batch[1:-1] for batch in cloud.batches[stream]) == stored
            assert all(len(json.loads(batch)) <= 30 for batch in cloud.batches[stream])
        assert cloud.content_types == {"application/cloudevents-batch+json"}
        status = one.link.status()
        assert (status.state, status.reason) == (LinkState.ONLINE, "")
        assert (status.published, status.acknowledged, status.redelivered, status.in_flight) == (350, 350, 0, 0)
        assert status.puback_p50_ms is not None
        assert status.puback_p99_ms is not None
        assert status.puback_p50_ms <= status.puback_p99_ms


@both_brokers
async def test_a_lone_event_arrives_soon(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port) as one,
    ):
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        for count in range(1, 6):
            await one.append(SALE)
            async with asyncio.timeout(2):
                await cloud.heard(Stream.SALES, count)


@both_brokers
async def test_a_restart_goes_on_where_the_last_run_ended(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        for run in range(1, 4):
            async with device(tmp_path, broker.port) as one:
                await one.append(SALE, 100)
                await one.delivered()
                assert one.link.status().redelivered == 0
                await cloud.heard(Stream.SALES, run * 100)
        assert cloud.sequences(Stream.SALES) == list(range(1, 301))


@both_brokers
@pytest.mark.case("N9")
async def test_a_killed_broker_loses_nothing_and_no_cursor_moves_without_it(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker:
        with closing(Ledger.open(tmp_path / "ledger.sqlite", SystemClock())) as ledger:
            twin = CloudTwin(ledger, broker.host, broker.port)
            twin_running = asyncio.create_task(twin.run())
            async with device(tmp_path, broker.port, batch_events_max=20, receipt_wait_s=1.0) as one:
                await one.append(SALE, 500)
                await until(lambda: one.log.cursor(CLOUD, Stream.SALES) > START)
                await one.append(SALE, 500)
                broker.kill()
                await until(lambda: one.link.status().state is LinkState.OFFLINE)
                assert "is the broker running?" in one.link.status().reason or "lost" in one.link.status().reason
                await asyncio.sleep(0.3)  # nobody could tell us of a wrong advance: give it time to happen
                cursor = one.log.cursor(CLOUD, Stream.SALES)
                await one.append(SALE, 500)
                await one.append(STOCK, 100)
                assert one.log.cursor(CLOUD, Stream.SALES) == cursor
                assert one.waiting() >= 600
                await broker.start()
                await one.delivered()
                await until(lambda: in_ledger(ledger, one) == {Stream.SALES: 1_500, Stream.STOCK: 100})
                assert one.link.status().reconnects >= 1
            twin_running.cancel()
            await asyncio.wait([twin_running])


def in_ledger(ledger: Ledger, one: Device) -> dict[Stream, int]:
    """How many events of each stream the ledger has, holes not counted."""
    books = ledger.books(f"{NAME.site}/{NAME.device}")
    assert all(book.key.epoch == one.log.epoch for book in books)
    return {Stream(book.key.stream): book.holes.upto - book.holes.count(Gap.MISSING) for book in books}


@both_brokers
async def test_a_line_that_breaks_again_and_again_loses_nothing(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, proxy.port, batch_events_max=5, window_publishes=4, receipt_wait_s=0.02) as one,
    ):
        for _ in range(5):
            await one.append(SALE, 200)
            seen = len(cloud.sequences(Stream.SALES))
            await cloud.heard(Stream.SALES, seen + 1)
            proxy.cut()
            await until(lambda: one.link.status().state is LinkState.OFFLINE)
            proxy.restore()
        await one.delivered()
        await until(lambda: set(cloud.sequences(Stream.SALES)) == set(range(1, 1_001)))
        assert one.link.status().reconnects >= 5


@both_brokers
@pytest.mark.case("N2")
async def test_a_line_that_swallows_everything_is_given_up_and_tried_anew(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, proxy.port, puback_timeout_s=0.3, connect_timeout_s=0.5) as one,
    ):
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        proxy.black_hole()
        await one.append(SALE, 10)
        await until(lambda: "no PUBACK for 0.3 s" in one.link.status().reason)
        assert one.log.cursor(CLOUD, Stream.SALES) == START
        proxy.cut()
        proxy.restore()
        await one.delivered()
        await until(lambda: set(cloud.sequences(Stream.SALES)) == set(range(1, 11)))


async def test_a_cursor_that_cannot_be_stored_yet_is_stored_later(tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port) as one,
    ):
        with raw(one.log) as connection:
            for change in ("INSERT", "UPDATE"):
                fault = "BEGIN SELECT RAISE(ABORT, 'disk fault'); END"
                connection.execute(f"CREATE TRIGGER fault_{change} BEFORE {change} ON cursor {fault}")
            await one.append(SALE, 10)
            await until(lambda: one.link.status().acknowledged == 10)
            await until(lambda: one.log.reopenings > 0)
            assert one.log.cursor(CLOUD, Stream.SALES) == START
            await until(lambda: "the log cannot note yet what was delivered" in one.link.status().reason)
            connection.execute("DROP TRIGGER fault_INSERT")
            connection.execute("DROP TRIGGER fault_UPDATE")
        await one.delivered()
        await until(lambda: one.link.status().reason == "")
        assert cloud.sequences(Stream.SALES) == list(range(1, 11))
        assert (one.link.status().reconnects, one.link.status().redelivered) == (0, 0)


async def test_a_connection_that_lasted_begins_the_back_off_anew(tmp_path: Path) -> None:
    class Hasty:
        """A clock on which seconds pass a hundred times faster."""

        def monotonic_s(self) -> float:
            return time.monotonic() * 100

        def wall(self) -> datetime:
            return datetime.now(UTC)

    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        device(tmp_path, broker.port, backoff_max_s=0.02) as one,
    ):
        one.link._clock = Hasty()
        broker.kill()
        await until(lambda: one.link._backoff.tries >= 20)
        await broker.start()
        await until(lambda: one.link.status().state is LinkState.ONLINE)
        assert one.link._backoff.tries >= 20
        online_s = time.monotonic()
        await until(lambda: time.monotonic() - online_s > 0.2)
        broker.kill()
        await until(lambda: one.link._backoff.tries < 20)


# --- refusals and limits --------------------------------------------------------------------------------------------


async def test_a_stream_that_the_broker_refuses_is_told_by_name_and_stays_in_the_log(tmp_path: Path) -> None:
    acl = "topic readwrite sf/v1/+/+/state\ntopic readwrite sf/v1/+/+/ack\ntopic readwrite sf/v1/+/+/evt/stock\n"
    async with (
        running_broker("mosquitto", tmp_path / "broker", acl=acl) as broker,
        device(tmp_path, broker.port, park_after_tries=1_000) as one,
    ):
        await one.append(SALE, 10)
        await one.append(STOCK, 10)
        await until(lambda: one.link.status().refused.get("0x87 not authorized", 0) >= 3)
        await until(lambda: one.log.waiting(CLOUD, Stream.STOCK) == 0)
        status = one.link.status()
        assert one.log.cursor(CLOUD, Stream.SALES) == START
        assert status.state is LinkState.ONLINE
        assert status.reason == "the broker refuses stream sales: 0x87 not authorized"
        assert status.troubles == {Stream.SALES: status.reason}
        assert (status.acknowledged, status.unheard) == (10, 1)


@pytest.mark.case("D4")
async def test_batches_keep_within_the_brokers_packet_size_and_one_event_too_large_is_left_behind(
    tmp_path: Path,
) -> None:
    limits = BrokerLimits(packet_bytes_max=2_500)
    async with (
        running_broker("mosquitto", tmp_path / "broker", limits=limits) as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port) as one,
    ):
        await one.append(SCAN, 50)
        await one.append(SALE, 1, items=[{**one_item(), "line": line} for line in range(1, 30)])
        await one.append(SCAN, 1)
        await one.append(STOCK, 50)
        await one.delivered()
        await until(lambda: one.log.cursor(CLOUD, Stream.SALES) == Place(1, 52))
        status = one.link.status()
        assert status.parked == (ParkedStatus(Stream.SALES, 1, 0x95, "0x95 packet too large"),)
        assert (status.state, status.reason, status.reconnects) == (LinkState.ONLINE, "", 0)
        await until(lambda: cloud.sequences(Stream.SALES) == [*range(1, 51), 52])
        (told,) = [event["data"] for event in cloud.events(Stream.AUDIT)]
        assert (told["stream"], told["first_sequence"], told["last_sequence"]) == ("sales", 51, 51)
        assert (told["reason"], told["code"]) == ("too_large", 0x95)


def one_item() -> dict[str, object]:
    return {"sku": "1082185", "quantity": 2, "actual_unit_price": "1", "extended_amount": "2"}


async def test_a_broker_with_a_window_of_one_gets_one_publish_at_a_time(tmp_path: Path) -> None:
    limits = BrokerLimits(inflight_messages_max=1)
    async with (
        running_broker("mosquitto", tmp_path / "broker", limits=limits) as broker,
        device(tmp_path, broker.port, batch_events_max=10) as one,
    ):
        await one.append(SALE, 100)
        await one.delivered()
        assert one.link.status().reconnects == 0


# --- reaching the broker ----------------------------------------------------------------------------------------------


@both_brokers
async def test_without_a_broker_the_state_says_why_and_the_log_goes_on(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker:
        broker.kill()
        async with device(tmp_path, broker.port) as one:
            await until(lambda: one.link.status().state is LinkState.OFFLINE)
            status = one.link.status()
            assert status.reason == f"connection refused by 127.0.0.1:{broker.port}: is the broker running?"
            await one.append(SALE, 100)
            assert one.waiting() == 100
            since = status.since
            await asyncio.sleep(0.1)
            assert one.link.status().since == since  # tries in between do not make it younger
            await broker.start()
            await one.delivered()
            assert one.link.status().state is LinkState.ONLINE
            assert one.link.status().since > since


@pytest.mark.case("P6")
async def test_a_silent_peer_does_not_block_the_event_loop(tmp_path: Path) -> None:
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        loop = asyncio.get_running_loop()
        while True:
            before_s = loop.time()
            await asyncio.sleep(0.01)
            longest_s = max(longest_s, loop.time() - before_s)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(say_nothing) as port, device(tmp_path, port, connect_timeout_s=0.7) as one:
        watching = asyncio.create_task(watch())
        await until(lambda: "is this an MQTT broker?" in one.link.status().reason)
        await one.append(SALE, 10)
        watching.cancel()
    assert longest_s < 0.5


@pytest.mark.parametrize(("code", "state"), [(0x86, LinkState.REFUSED), (0x97, LinkState.OFFLINE)])
async def test_a_broker_that_says_no_is_told_as_such_and_asked_again(
    tmp_path: Path, code: int, state: LinkState
) -> None:
    asked = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await read_packet(reader)
        asked += 1
        writer.write(connack(code))
        await reader.read()

    async with serving(refuse) as port, device(tmp_path, port) as one:
        await until(lambda: asked >= 3)
        status = one.link.status()
        assert status.state is state
        assert f"0x{code:02X}" in status.reason
        assert (status.reconnects, status.published) == (0, 0)


async def test_tls_with_a_login_works_and_its_faults_are_told(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "another authority")
    password = tmp_path / "mqtt.password"
    password.write_text("secret\n")
    password.chmod(0o600)
    acl = "user till\ntopic readwrite sf/#\n"
    async with (
        running_broker("mosquitto", tmp_path / "broker", acl=acl) as broker,
        tls_in_front_of(broker.port, authority.server()) as port,
    ):
        login = {"username": "till", "password_file": str(password)}
        async with device(tmp_path, port, tls=True, ca_file=str(authority.file), **login) as one:
            await one.append(SALE, 100)
            await one.delivered()
            assert one.link.status().refused == {}
        async with device(tmp_path, port, tls=True, ca_file=str(stranger.file), **login) as one:
            await until(lambda: "certificate" in one.link.status().reason)
            assert one.link.status().state is LinkState.OFFLINE
        async with device(tmp_path, port, tls=True, ca_file=str(tmp_path / "no.pem"), **login) as one:
            await until(lambda: one.link.status().state is LinkState.REFUSED)
            assert "no.pem" in one.link.status().reason
        password.chmod(0o644)
        async with device(tmp_path, port, tls=True, ca_file=str(authority.file), **login) as one:
            await until(lambda: one.link.status().state is LinkState.REFUSED)
            assert "chmod 600" in one.link.status().reason
            password.chmod(0o600)
            await until(lambda: one.link.status().state is LinkState.ONLINE)
            password.unlink()
        async with device(tmp_path, port, tls=True, ca_file=str(authority.file), **login) as one:
            await until(lambda: "No such file" in one.link.status().reason)
        password.write_bytes(b"\xff\xfe")
        password.chmod(0o600)
        async with device(tmp_path, port, tls=True, ca_file=str(authority.file), **login) as one:
            await until(lambda: "UTF-8" in one.link.status().reason)


@pytest.mark.case("I5")
async def test_plaintext_to_another_machine_is_refused(tmp_path: Path) -> None:
    async with device(tmp_path, 1883, host="192.0.2.1", tls=True) as one:
        settings = one.link._settings.model_copy(update={"tls": False})  # what the settings themselves refuse
        one.link._access = BrokerAccess(settings, NAME)
        await until(lambda: one.link.status().state is LinkState.REFUSED)
        assert "TLS is off" in one.link.status().reason


async def test_a_disabled_link_connects_to_nothing_and_says_so(tmp_path: Path) -> None:
    connections = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1

    async with serving(count) as port, device(tmp_path, port, enabled=False) as one:
        await one.append(SALE, 10)
        await asyncio.sleep(0.1)  # nobody could tell us of a wrong connection: give it time to come
        assert one.link.status().state is LinkState.DISABLED
        assert "link.enabled" in one.link.status().reason
        assert one.waiting() == 10
    assert connections == 0


async def test_a_damaged_page_stops_its_stream_and_no_other(tmp_path: Path) -> None:
    async with device(tmp_path, 1, enabled=False) as one:
        await one.append(SENSOR, 200)
        file, damaged = one.log.file, one.stored(Stream.SENSOR)[100].id
    damage_leaf(file, damaged.encode())
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port) as one,
    ):
        await until(lambda: Stream.SENSOR in one.link.status().troubles)
        await one.append(SALE, 50)
        await until(lambda: one.log.waiting(CLOUD, Stream.SALES) == 0)
        assert cloud.sequences(Stream.SALES) == list(range(1, 51))
        status = one.link.status()
        assert (status.state, status.reconnects) == (LinkState.ONLINE, 0)
        assert "stream sensor cannot be read" in status.reason


def damage_leaf(file: Path, holds: bytes, page_bytes: int = 4_096) -> None:
    """Overwrites the pages of tables that hold some bytes, in a file that nobody has open."""
    data = bytearray(file.read_bytes())
    leaves = [at for at in range(0, len(data), page_bytes) if data[at] == 0x0D and holds in data[at : at + page_bytes]]
    assert leaves
    for at in leaves:
        data[at : at + page_bytes] = b"\xff" * page_bytes
    file.write_bytes(data)
