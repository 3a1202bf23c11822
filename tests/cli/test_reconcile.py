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
from rich.console import Console

from agent.app import Agent
from agent.cli import main
from agent.cli.agent_client import AgentCallRefused, AgentClient
from agent.cli.reconcile import _from_receipts, _table
from agent.cli.reconcile_days import day_lines, days_table
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
from tests.sim.cloud.publishes import FixedClock, day_closed, day_range, declare, events_topic, sales

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


def reconcile(*arguments: str | Path, columns: int = 120) -> Result:
    return CliRunner().invoke(main, ["reconcile", *map(str, arguments)], env={"COLUMNS": str(columns)})


def deliver(log: EventLog, ledger_file: Path, *, events_max: int, but: frozenset[int] = frozenset()) -> None:
    stored = log.read(Stream.SALES, log.cursor("nobody", Stream.SALES), events_max=events_max, bytes_max=1_000_000)
    bodies = (one.body for one in stored if one.place.sequence not in but)
    with closing(Ledger.open(ledger_file, FixedClock())) as ledger:
        ledger.accept(events_topic(), b"[" + b",".join(bodies) + b"]")


def tell(ledger_file: Path, *said: tuple[str, int, int], epoch: str) -> None:
    """What the device's audit stream says of its sales."""
    with closing(Ledger.open(ledger_file, FixedClock())) as ledger:
        for sequence, (word, first, last) in enumerate(said, 1):
            declare(ledger, sequence, word, first, last, epoch=epoch)


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


def test_what_was_shed_or_quarantined_is_told_in_80_columns_and_exits_0(
    log: EventLog, data: Path, ledger_file: Path
) -> None:
    log.append_now(events(1_800))
    deliver(log, ledger_file, events_max=2_000, but=frozenset(range(101, 1_601)) | {1_700})
    tell(ledger_file, ("shed", 101, 1_600), ("quarantined", 1_700, 1_700), epoch=log.epoch)
    result = reconcile("--data", data, "--ledger", ledger_file, columns=80)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    (row,) = (line.split() for line in lines if line.startswith("sales"))
    assert row[2:] == ["1,800", "299", "0", "1,500", "1"]
    assert (
        "Everything is in the cloud, once, but for what this device declared. 301 events,"
        " 0 missing, 0 duplicates, 0 conflicts, 1,500 shed (declared), 1 quarantined (declared)"
        " Quarantined: damaged on this device and kept aside there; the cloud does not have them."
    ) in " ".join(line.strip() for line in lines)


@pytest.mark.parametrize(
    ("quiet", "folded"), [(("duplicates", "conflicts"), False), ((), True)], ids=["usual", "everything"]
)
def test_no_figure_of_the_table_is_cut_at_80_columns(
    quiet: tuple[str, ...], capsys: pytest.CaptureFixture[str], *, folded: bool
) -> None:
    names = ("log_head", "ledger_count", "missing", "waiting", "shed", "quarantined", "duplicates", "conflicts")
    quiet = (*quiet, "parked")
    numbers = dict.fromkeys((*names, "redelivered"), 48_213) | {"quarantined": 1} | dict.fromkeys(quiet, 0)
    stream = numbers | {"stream": "sensor", "epoch": "0195a2b4-0000-7000-8000-0123456789ab"}
    Console(width=80).print(_table([stream]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].split().count("48,213") == 9 - len(quiet)
    assert ("Quarantined" not in lines[0]) == folded


def answer(day: str, stream: str, count: int, **changes: Any) -> dict[str, Any]:  # Any: JSON
    told = {"business_day": day, "stream": stream, "epoch": "0195a2b4-0000-7000-8000-0123456789ab", "ok": True}
    return told | {"count": count, "missing": 0, "declared": 0, "conflicts": 0, "problem": ""} | changes


DAYS = [
    answer("2026-03-03", "sales", 7),
    answer("2026-03-02", "sales", 48_213),
    answer("2026-03-02", "stock", 10, ok=False, missing=2, problem="2 events of the close are not here"),
]


def test_a_day_is_one_line_and_each_stream_that_does_not_agree_has_its_own() -> None:
    assert list(day_lines(DAYS, ["2026-03-04"])) == [
        "Day 2026-03-02: 48,223 events, 2 missing: 1 of 2 streams do not agree",
        "  stock: 2 events of the close are not here",
        "Day 2026-03-03: 7 events, 0 missing: ok",
        "Day 2026-03-04: not yet answered by the cloud",
    ]


def test_each_stream_of_each_day_has_a_row_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=80).print(days_table(DAYS))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[-3:] == [
        ["2026-03-02", "sales", "456789ab", "48,213", "0", "0", "0", "ok"],
        ["2026-03-02", "stock", "456789ab", "10", "2", "0", "0", "NOT", "OK"],
        ["2026-03-03", "sales", "456789ab", "7", "0", "0", "0", "ok"],
    ]


def test_closed_days_come_from_the_ledger_and_their_streams_when_asked_for(ledger_file: Path) -> None:
    with closing(Ledger.open(ledger_file, FixedClock())) as ledger:
        sales(ledger, range(1, 4))
        day_closed(ledger, 1, "2026-03-02", day_range(1, 3))
    short, long = reconcile("--ledger", ledger_file), reconcile("--ledger", ledger_file, "--days")
    assert "Day 2026-03-02: 3 events, 0 missing: ok" in short.output
    assert "Answer" not in short.output
    (row,) = (line.split() for line in long.output.splitlines() if line.startswith("2026-03-02"))
    assert [row[1], *row[3:]] == ["sales", "3", "0", "0", "0", "ok"]


def test_receipts_tell_what_was_declared_as_well(log: EventLog, data: Path) -> None:
    log.append_now(events(10))
    receipt = {"stream": "sales", "epoch": log.epoch, "upto": 8, "missing_count": 1, "shed": 3, "quarantined": 2}
    report = _from_receipts(data / "log" / "events.sqlite", {"receipts": [receipt], "days": []})
    (stream,) = report["streams"]
    assert (stream["ledger_count"], stream["missing"], stream["waiting"]) == (2, 3, 2)
    assert (report["missing"], report["shed"], report["quarantined"], report["ok"]) == (3, 3, 2, False)


def test_what_is_missing_beside_declared_events_exits_1(log: EventLog, data: Path, ledger_file: Path) -> None:
    log.append_now(events(10))
    deliver(log, ledger_file, events_max=10, but=frozenset({3, 4, 5}))
    tell(ledger_file, ("shed", 3, 4), epoch=log.epoch)
    result = reconcile("--data", data, "--ledger", ledger_file, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["missing"], report["shed"], report["quarantined"], report["clock_corrected"]) == (1, 2, 0, 0)
    assert (report["streams"][0]["shed"], report["streams"][0]["quarantined"]) == (2, 0)


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
