"""`storeforward status`: what the running agent says, or that none runs."""

import asyncio
import io
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import Popen

import pytest
from click.testing import Result
from rich.console import Console

from agent.cli.status import _ask, _disk
from agent.cli.status_view import Document, status_view
from agent.data_folder import DataFolder
from agent.event_types import Stream
from agent.link import Receipts
from agent.log import CLOUD, Place
from tests.api.api_world import World, free_port, open_world, scan
from tests.cli.command import invoke as invoke_command
from tests.cli.command import run_on_terminal, start


def invoke(*arguments: object) -> Result:
    return invoke_command("status", *arguments)


async def filled(world: World) -> World:
    await world.local().post("/v1/events", [scan(1), scan(2)])
    return world


async def test_the_status_is_a_table_for_people(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data", api={"tcp_port": (port := free_port())}) as world:
        await filled(world)
        result = await asyncio.to_thread(invoke, "--data", world.folder.path)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["sales", "2", "0", "-", "2"] in [row[:5] for row in rows]
    assert ["waiting", "2", "events,", "the", "oldest", "for"] in [row[:6] for row in rows]
    assert ["device", "store-1", "/", "box-1"] in rows
    assert f"http://127.0.0.1:{port}" in result.stdout


async def test_before_the_first_event_it_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        result = await asyncio.to_thread(invoke, "--data", world.folder.path)
    assert "No events yet." in result.stdout


async def test_the_status_is_json_for_programs(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        await filled(world)
        result = await asyncio.to_thread(invoke, "--data", world.folder.path, "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["running"], document["log"]["waiting"]) == (0, True, 2)


async def test_what_needs_somebody_is_told(tmp_path: Path) -> None:
    api = {"tcp_port": (port := free_port())}
    async with open_world(tmp_path / "one", api=api), open_world(tmp_path / "two", api=api) as second:
        result = await asyncio.to_thread(invoke, "--data", second.folder.path)
    assert f"http://127.0.0.1:{port} is in use by another program" in result.stdout


def test_without_an_agent_it_says_how_to_start_one(tmp_path: Path) -> None:
    result = invoke("--data", tmp_path)
    assert result.exit_code == 1
    assert "no agent is running on this data folder" in result.stderr
    assert "storeforward run" in result.stderr
    told = invoke("--data", tmp_path, "--json")
    assert (told.exit_code, json.loads(told.stdout)["running"]) == (1, False)


async def test_a_stream_shows_what_broker_and_ledger_have_and_how_long_the_oldest_waits(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        await filled(world)
        await world.log.advance(CLOUD, Stream.SALES, Place(1, 1))
        receipt = {"stream": "sales", "epoch": world.log.epoch, "upto": 1, "last_id": "x", "missing": []}
        world.receipts.append(Receipts.model_validate({"receipts": [receipt]}))
        result = await asyncio.to_thread(invoke, "--data", world.folder.path)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["sales", "2", "1", "1", "1"] in [row[:5] for row in rows]
    assert ["waiting", "1", "event,", "the", "oldest", "for"] in [row[:6] for row in rows]
    assert "the ledger has all that was acknowledged; 0 in conflict" in result.stdout
    assert "MB free on its disk" in result.stdout


async def test_what_was_acknowledged_and_no_complete_receipt_names_the_ledger_lacks(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        await filled(world)
        await world.log.advance(CLOUD, Stream.SALES, Place(1, 2))
        world.receipts.append(Receipts.model_validate({"complete": True, "receipts": []}))
        result = await asyncio.to_thread(invoke, "--data", world.folder.path)
        world.receipts.append(Receipts.model_validate({"receipts": []}))
        of_a_part = await asyncio.to_thread(invoke, "--data", world.folder.path)
    assert "the ledger lacks 2 events so far; 0 in conflict" in result.stdout
    assert ["sales", "2", "2", "0"] in [line.split()[:4] for line in result.stdout.splitlines()]
    assert ["sales", "2", "2", "-"] in [line.split()[:4] for line in of_a_part.stdout.splitlines()]


async def test_what_the_storage_tells_is_shown(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        document = await _ask(world.folder)
    storage = document["storage"] | {"bytes_written_per_event": 1_402.4, "state": "read_only", "shed": 1_500}
    shown = printed({**document, "storage": storage})
    assert "1,402 bytes written per event" in shown
    assert "READ-ONLY, " in shown
    assert "1,500 shed" in shown


async def test_what_the_broker_does_not_take_and_when_the_rest_is_gone_is_shown(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        await filled(world)
        document = await _ask(world.folder)
    parked = [{"stream": "sales", "events": 1_200, "code": 0x87, "reason": "0x87 not authorized"}]
    ends = datetime.fromisoformat(document["at"]) + timedelta(minutes=12)
    link = document["link"] | {"parked": parked, "caught_up_at": ends.isoformat(), "publishes_per_s": 100.0}
    shown = printed({**document, "link": link | {"published": 1}})
    assert "parked      1,200 of sales: 0x87 not authorized" in shown
    assert "gone in about 12 min" in shown
    assert "100 publishes a second at most" in shown


async def test_by_how_much_batches_are_compressed_is_shown_while_they_are(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        document = await _ask(world.folder)
    link = document["link"] | {"published": 1, "plain_bytes": 1_420_000, "sent_bytes": 100_000}
    assert "14.2 x compressed" in printed({**document, "link": link | {"encoding": "zstd"}})
    assert "compressed" not in printed({**document, "link": link | {"encoding": ""}})


def printed(document: Document) -> str:
    text = io.StringIO()
    Console(width=200, file=text).print(status_view(document))
    return text.getvalue()


@asynccontextmanager
async def watched(*options: object) -> AsyncIterator[Popen[str]]:
    """`status --watch` in a process of its own, ended by Ctrl-C."""
    process = start("status", "--watch", *options)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 20) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


async def test_watching_as_json_is_a_document_a_line_also_while_no_agent_runs(tmp_path: Path) -> None:
    async with watched("--json", "--data", tmp_path / "data") as process:
        assert process.stdout is not None
        first = json.loads(await asyncio.to_thread(process.stdout.readline))
        assert (first["running"], "no agent is running" in first["problems"][0]) == (False, True)
        async with open_world(tmp_path / "data") as world:
            await filled(world)
            told = first
            while not told["running"] or told["log"]["waiting"] != 2:
                told = json.loads(await asyncio.to_thread(process.stdout.readline))
        while json.loads(await asyncio.to_thread(process.stdout.readline))["running"]:
            pass


async def test_watching_into_a_file_is_a_line_a_second(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        await filled(world)
        async with watched("--data", world.folder.path) as process:
            assert process.stdout is not None
            lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(2)]
    assert all("link disabled; 2 events, the oldest for " in line for line in lines)
    assert lines[0] != lines[1]


@pytest.mark.parametrize("key", ["q", "\x03"], ids=["q", "ctrl-c"])
async def test_on_a_terminal_it_is_drawn_anew_until_q_or_ctrl_c(tmp_path: Path, key: str) -> None:
    def drawn_twice(shown: str) -> bool:
        return shown.count("acknowledged") > 1

    async with open_world(tmp_path / "data") as world:
        await filled(world)
        code, shown = await asyncio.to_thread(
            run_on_terminal, "status", "--watch", "--data", world.folder.path, until=drawn_twice, keys=key
        )
    assert code == 0
    assert shown.rstrip().endswith("\x1b[?25h"), "the cursor is back"


async def test_a_user_without_a_way_into_the_folder_still_gets_the_agent_s_word(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        assert _disk(DataFolder(tmp_path / "nowhere")) is None
        document = {**await _ask(world.folder), "disk": None}
    assert "storage" not in printed(document)
