"""The twin on real brokers: nothing acknowledged that is not stored, over kills, restarts and rubbish."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, get_args

import aiomqtt
import pytest

from agent.clock import SystemClock
from sim.broker import Broker, BrokerKind, running_broker
from sim.cloud.connection import mqtt_client, publish_properties
from sim.cloud.ledger import Ledger
from sim.cloud.schema import LedgerUnusable
from sim.cloud.twin import CloudTwin, _end
from tests.sim.cloud.publishes import DEVICE, batch, event, events_topic, rows

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
DEADLINE_S = 20.0
RECEIPTS = f"sf/v1/{DEVICE}/ack"
STATE = f"sf/v1/{DEVICE}/state"
SALES = str(events_topic())


@pytest.fixture(params=KINDS)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(request.param, tmp_path / "broker") as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cloud" / "ledger.sqlite"


async def connected(twin: CloudTwin, running: "asyncio.Task[None]") -> None:
    ready = asyncio.create_task(twin.connected.wait())
    await asyncio.wait((ready, running), timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    assert ready.done()


@asynccontextmanager
async def running_twin(broker: Broker, file: Path) -> AsyncIterator[CloudTwin]:
    with closing(Ledger.open(file, SystemClock())) as ledger:
        twin = CloudTwin(ledger, broker.host, broker.port)
        running = asyncio.create_task(twin.run())
        try:
            await connected(twin, running)
            yield twin
        finally:
            running.cancel()
            await asyncio.wait((running,))


@asynccontextmanager
async def twin_process(broker: Broker, file: Path, *options: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sim.cloud", "--host", broker.host, "--port", str(broker.port)),
        *("--ledger", str(file), "--json", "--parent", str(os.getpid()), *options),
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            ready = json.loads(await process.stdout.readline())
        assert ready == {"ready": True, "broker": f"{broker.host}:{broker.port}", "ledger": str(file)}
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def device(broker: Broker, name: str = "device") -> aiomqtt.Client:
    return mqtt_client(broker.host, broker.port, name)


async def publish(client: aiomqtt.Client, *events: dict[str, Any]) -> None:
    properties = publish_properties("application/cloudevents-batch+json")
    await client.publish(SALES, batch(*events), qos=1, properties=properties)


def stored(file: Path) -> list[int]:
    return [sequence for (sequence,) in rows(file, "SELECT sequence FROM events ORDER BY sequence")]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def receipt_with(client: aiomqtt.Client, upto: int) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            document: dict[str, Any] = json.loads(message.payload)
            if [receipt["upto"] for receipt in document["receipts"]] == [upto]:
                return document
    raise AssertionError


async def test_events_are_stored_and_a_retained_receipt_says_so(broker: Broker, file: Path) -> None:
    async with running_twin(broker, file), device(broker) as client:
        await client.subscribe(RECEIPTS, qos=1)
        await publish(client, event(1), event(2), event(4))
        receipt = await receipt_with(client, 4)
        assert receipt["receipts"][0]["missing"] == [[3, 3]]
        assert stored(file) == [1, 2, 4]
        async with device(broker, "late") as late:
            await late.subscribe(RECEIPTS, qos=1)
            assert await receipt_with(late, 4) == receipt


async def test_receipts_are_coalesced(broker: Broker, file: Path) -> None:
    heard = []
    async with running_twin(broker, file), device(broker) as client:
        await client.subscribe(RECEIPTS, qos=1)
        started = asyncio.get_running_loop().time()
        for sequence in range(1, 101):
            await publish(client, event(sequence))
        async with asyncio.timeout(DEADLINE_S):
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                heard.append(json.loads(message.payload)["receipts"][0]["upto"])
                if heard[-1] == 100:
                    break
        assert len(heard) <= (asyncio.get_running_loop().time() - started) / 0.25 + 2
        assert heard == sorted(heard)


async def test_what_is_sent_while_the_twin_is_away_is_stored_when_it_returns(broker: Broker, file: Path) -> None:
    async with device(broker) as client:
        async with running_twin(broker, file):
            await publish(client, event(1))
            await until(lambda: stored(file) == [1])
        for sequence in range(2, 30):
            await publish(client, event(sequence))
        async with running_twin(broker, file):
            await until(lambda: stored(file) == list(range(1, 30)))


async def test_after_a_broker_lost_everything_the_receipts_are_there_again(broker: Broker, file: Path) -> None:
    async with running_twin(broker, file) as twin:
        async with device(broker) as client:
            await publish(client, event(1), event(2))
            await until(lambda: stored(file) == [1, 2])
        broker.kill()
        await until(lambda: not twin.connected.is_set())
        await broker.start()
        async with device(broker) as client:
            await client.subscribe(RECEIPTS, qos=1)
            await receipt_with(client, 2)
            await publish(client, event(3))
            await receipt_with(client, 3)


async def test_rubbish_does_not_stop_it(broker: Broker, file: Path) -> None:
    async with running_twin(broker, file), device(broker) as client:
        await client.publish("sf/v1/store-1/box-1/evt/a/b/c", b"[]", qos=1)
        await client.publish("sf/v1/_bad/box-1/evt/sales", b"[]", qos=1)
        for payload in (b"", b"\xff\x00", b"[" * 50_000, b"[1,2]", b"[" + b"9" * 9_000 + b"]"):
            await client.publish(SALES, payload, qos=1)
            await client.publish(STATE, payload or b"?", qos=1)
        await publish(client, event(1) | {"sequence": "x"}, event(2))
        await until(lambda: stored(file) == [2])
        assert rows(file, "SELECT count(*) FROM dead_letters")[0][0] >= 12


async def test_a_device_that_comes_online_hears_what_the_ledger_has_of_it(broker: Broker, file: Path) -> None:
    async with running_twin(broker, file), device(broker) as client:
        await client.publish(RECEIPTS, b'{"receipts":[],"days":[],"of":"an older ledger"}', qos=1, retain=True)
        await client.publish(STATE, b'{"status":"online","session":"s1"}', qos=1, retain=True)
        await until(lambda: rows(file, "SELECT status FROM devices") == [("online",)])
        await client.subscribe(RECEIPTS, qos=1)
        async with asyncio.timeout(DEADLINE_S):
            async for message in client.messages:
                if message.payload == b'{"complete":true,"receipts":[],"days":[],"accepts":["zstd"]}':
                    break


@pytest.mark.parametrize(("option", "accepts"), [("--compression", ["zstd"]), ("--no-compression", [])])
async def test_its_receipts_offer_to_read_zstd_as_its_option_says(
    broker: Broker, file: Path, option: str, accepts: list[str]
) -> None:
    async with twin_process(broker, file, option), device(broker) as client:
        await client.subscribe(RECEIPTS, qos=1)
        await publish(client, event(1))
        async with asyncio.timeout(DEADLINE_S):
            receipt = await anext(aiter(client.messages))
        assert json.loads(receipt.payload)["accepts"] == accepts


async def test_a_killed_twin_acknowledged_nothing_that_it_had_not_stored(broker: Broker, file: Path) -> None:
    batches = 300
    async with device(broker) as client:

        async def send() -> None:
            for number in range(batches):
                await publish(client, *(event(number * 10 + offset) for offset in range(1, 11)))

        async with twin_process(broker, file) as process:
            sending = asyncio.create_task(send())
            await until(lambda: len(stored(file)) >= 300)
            process.kill()
            await process.wait()
        # What a reader finds after a kill: whole publishes, and running totals that agree with the rows.
        held = stored(file)
        assert len(held) % 10 == 0
        assert rows(file, "SELECT stored, counted FROM streams") == [(len(held), len(held))]
        await sending
        async with twin_process(broker, file):
            await until(lambda: len(stored(file)) == batches * 10)
        assert rows(file, "SELECT upto, stored, counted, conflicts FROM streams") == [(3_000, 3_000, 3_000, 0)]
        assert rows(file, "SELECT count(*) FROM holes") == [(0,)]


async def test_replays_of_everything_change_nothing(broker: Broker, file: Path) -> None:
    sales = [event(number, type_name="pos.sale.v1") for number in range(1, 21)]
    async with running_twin(broker, file), device(broker) as client:
        for _ in range(3):
            await publish(client, *sales[:10])
            await publish(client, *sales[5:])
        await until(lambda: rows(file, "SELECT redelivered FROM streams") == [(75 - 20,)])
        assert rows(file, "SELECT sales, total FROM totals") == [(20, "77.20")]


async def test_sigterm_ends_it_in_order(broker: Broker, file: Path) -> None:
    async with twin_process(broker, file) as process, device(broker) as client:
        await publish(client, event(1))
        await until(lambda: file.exists() and stored(file) == [1])
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
    assert not file.with_name("ledger.sqlite-wal").exists()


async def test_a_ledger_that_cannot_be_written_ends_the_twin_and_loses_nothing(broker: Broker, file: Path) -> None:
    with closing(Ledger.open(file, SystemClock())) as ledger:
        twin = CloudTwin(ledger, broker.host, broker.port)
        running = asyncio.create_task(twin.run())
        await connected(twin, running)
        ledger._connection.execute("PRAGMA query_only = ON")
        seen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
        async with device(broker) as client:
            await publish(client, event(1), event(2))
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(sqlite3.OperationalError, match="readonly"):
                    await running
    async with running_twin(broker, file):
        await until(lambda: stored(file) == [1, 2])


async def test_a_second_twin_on_the_ledger_is_refused_with_a_clear_word(broker: Broker, file: Path) -> None:
    async with running_twin(broker, file):
        with pytest.raises(LedgerUnusable):
            Ledger.open(file, SystemClock())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sim.cloud", "--port", str(broker.port), "--ledger", str(file)), stderr=PIPE
        )
        _, said = await process.communicate()
        assert process.returncode == 1
        assert said.decode().strip() == f"Error: {file} is in use by another cloud twin"


async def test_a_twin_waits_for_a_broker_that_is_not_there_yet(tmp_path: Path, file: Path) -> None:
    broker = Broker("mosquitto", tmp_path / "broker")
    await broker.start()
    try:
        broker.kill()
        with closing(Ledger.open(file, SystemClock())) as ledger:
            twin = CloudTwin(ledger, broker.host, broker.port)
            running = asyncio.create_task(twin.run())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(twin.connected.wait(), 0.1)
            await broker.start()
            await connected(twin, running)
            running.cancel()
            await asyncio.wait((running,))
    finally:
        await broker.stop()


async def test_a_task_that_missed_its_first_cancellation_is_ended_by_the_next() -> None:
    async def deaf_once() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        await _end(task)
    assert task.cancelled()
