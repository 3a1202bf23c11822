"""`storeforward reconcile`: from the two files, and from what a running agent has heard."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner, Result

from agent.app import Agent
from agent.cli import main
from agent.cli.agent_client import AgentCallRefused, AgentClient
from agent.clock import SystemClock
from agent.data_folder import DataFolder
from agent.event_types import Stream
from agent.log import EventLog
from agent.settings import DeviceSettings, LinkSettings, Settings
from sim.broker import Broker, running_broker
from sim.cloud.ledger import Ledger
from sim.cloud.twin import CloudTwin
from tests.examples import EXAMPLES
from tests.log.world import events, inline_log
from tests.sim.cloud.publishes import FixedClock, events_topic

DEADLINE_S = 30.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def log(data: Path) -> Iterator[EventLog]:
    with inline_log(data / "log") as opened:
        yield opened


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def reconcile(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["reconcile", *map(str, arguments)], env={"COLUMNS": "120"})


def deliver(log: EventLog, ledger_file: Path, *, events_max: int) -> None:
    stored = log.read(Stream.SALES, log.cursor("nobody", Stream.SALES), events_max=events_max, bytes_max=1_000_000)
    with closing(Ledger.open(ledger_file, FixedClock())) as ledger:
        ledger.accept(events_topic(), b"[" + b",".join(one.body for one in stored) + b"]")


def test_everything_in_the_ledger_exits_0(log: EventLog, data: Path, ledger_file: Path) -> None:
    log.append_now(events(1_200))
    deliver(log, ledger_file, events_max=2_000)
    result = reconcile("--data", data, "--ledger", ledger_file)
    assert result.exit_code == 0
    assert "Everything is in the cloud, once. 1,200 events, 0 missing, 0 duplicates, 0 conflicts" in result.output
    assert "sales" in result.output


def test_something_missing_exits_1(log: EventLog, data: Path, ledger_file: Path) -> None:
    log.append_now(events(10))
    deliver(log, ledger_file, events_max=7)
    result = reconcile("--data", data, "--ledger", ledger_file)
    assert result.exit_code == 1
    assert "NOT everything is in the cloud, once. 7 events, 3 missing, 0 duplicates, 0 conflicts" in result.output


def test_json_is_one_object_with_the_totals(log: EventLog, data: Path, ledger_file: Path) -> None:
    log.append_now(events(10))
    deliver(log, ledger_file, events_max=7)
    result = reconcile("--data", data, "--ledger", ledger_file, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["ok"], report["events"], report["missing"], report["duplicates"]) == (False, 7, 3, 0)
    assert report["streams"][0]["waiting"] == 3


def test_a_ledger_can_be_looked_at_where_no_log_is(
    log: EventLog, ledger_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append_now(events(3))
    deliver(log, ledger_file, events_max=3)
    monkeypatch.setattr("agent.cli.options.default_data_folder", lambda: tmp_path / "nowhere")
    result = reconcile("--ledger", ledger_file, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["streams"][0]["log_head"] is None


def test_what_is_not_there_is_told_in_one_sentence(log: EventLog, data: Path, tmp_path: Path) -> None:
    log.append_now(events(1))
    for result, message in (
        (reconcile("--data", tmp_path / "nowhere"), "name the agent's data folder with --data"),
        (reconcile("--data", data, "--ledger", tmp_path / "none.sqlite"), "cannot open"),
        (reconcile("--data", data), "no agent"),
    ):
        assert result.exit_code == 1
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


# --- with a running agent ---------------------------------------------------------------------------------


@asynccontextmanager
async def running_agent(data: Path, broker: Broker) -> AsyncIterator[AgentClient]:
    settings = Settings(
        device=DeviceSettings(), link=LinkSettings(host=broker.host, port=broker.port, receipt_wait_s=0.2)
    )
    agent = Agent(settings, DataFolder(data), SystemClock())
    running = asyncio.create_task(agent.run())
    try:
        async with AgentClient(DataFolder(data).socket) as client:
            await until(lambda: running.done() or DataFolder(data).socket.exists())
            yield client
    finally:
        agent.stop()
        async with asyncio.timeout(DEADLINE_S):
            await running


@asynccontextmanager
async def running_twin(broker: Broker, file: Path) -> AsyncIterator[Ledger]:
    with closing(Ledger.open(file, SystemClock())) as ledger:
        twin = CloudTwin(ledger, broker.host, broker.port)
        running = asyncio.create_task(twin.run())
        try:
            await until(lambda: twin.connected.is_set() or running.done())
            yield ledger
        finally:
            running.cancel()
            await asyncio.wait((running,))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def sell(data: Path, number: int) -> None:
    """Sends scans as a till does."""
    scans = [{"type": "pos.scan.v1", "data": EXAMPLES["pos.scan.v1"]}] * number
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(DataFolder(data).socket))) as till,
        till.post(
            "http://localhost/v1/events", json=scans, headers={"Storeforward-Producer": "till-3"}, raise_for_status=True
        ),
    ):
        pass


async def reconciled(data: Path) -> None:
    """Until the command says that all is well: the agent's own events arrive when they do."""
    async with asyncio.timeout(DEADLINE_S):
        while (await asyncio.to_thread(reconcile, "--data", data)).exit_code:
            await asyncio.sleep(0.05)


async def heard(client: AgentClient, upto: int) -> None:
    """Until the agent has heard that the ledger has this many sales."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                receipts: dict[str, Any] = await client.get("/v1/receipts")
            except AgentCallRefused:
                receipts = {"receipts": []}
            if {"sales": upto}.items() <= {one["stream"]: one["upto"] for one in receipts["receipts"]}.items():
                return
            await asyncio.sleep(0.01)


async def test_a_running_agent_is_asked_for_its_receipts(data: Path, tmp_path: Path, ledger_file: Path) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, running_agent(data, broker) as client:
        result = await asyncio.to_thread(reconcile, "--data", data)
        assert result.exit_code == 1
        assert "nothing to compare with: the cloud's ledger has not been heard" in result.stderr
        async with running_twin(broker, ledger_file):
            await sell(data, 50)
            await heard(client, 50)
            await reconciled(data)
        await sell(data, 50)
        result = await asyncio.to_thread(reconcile, "--data", data, "--json")
        assert result.exit_code == 1
        report = json.loads(result.stdout)
        (sales,) = (stream for stream in report["streams"] if stream["stream"] == "sales")
        assert (sales["log_head"], sales["ledger_count"], sales["missing"], sales["waiting"]) == (100, 50, 50, 50)
        assert (report["duplicates"], sales["redelivered"]) == (None, None)
        async with running_twin(broker, ledger_file):
            await heard(client, 100)
            await reconciled(data)
    shutil.rmtree(data / "run")
    assert reconcile("--data", data, "--ledger", ledger_file).exit_code == 0
