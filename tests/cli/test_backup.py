"""`storeforward backup`: beside a running agent or a stopped one; what it prints, and what it refuses."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from tests.agent_process import AgentProcess, running_agent, scan
from tests.log.world import events, inline_log, raw, stored_rows

FILE = "events.sqlite"


def backup(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["backup", *map(str, arguments)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with inline_log(tmp_path / "data" / "log") as log:
        log.append_now(events(7))
    return tmp_path / "data"


def test_a_stopped_agents_log_is_copied_checked_and_told(data: Path, tmp_path: Path) -> None:
    result = backup(tmp_path / "copy.sqlite", "--data", data)
    assert result.exit_code == 0
    assert result.stdout.startswith("sales               7 events\n7 events, ")
    assert stored_rows(tmp_path / "copy.sqlite") == stored_rows(data / "log" / FILE)


def test_json_has_the_same_for_machines(data: Path, tmp_path: Path) -> None:
    result = backup(tmp_path / "copy.sqlite", "--data", data, "--json")
    told = json.loads(result.stdout)
    assert told.pop("seconds") >= 0
    assert told == {
        "file": str(tmp_path / "copy.sqlite"),
        "bytes": (tmp_path / "copy.sqlite").stat().st_size,
        "format": 2,
        "events": {"sales": 7},
        "damaged": [],
        "damaged_events": 0,
        "quarantined": 0,
        "structure": [],
        "ok": True,
    }
    assert result.stderr == ""


@pytest.mark.case("S14")
async def test_a_running_agents_log_is_copied_while_it_takes_events(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        for number in range(10):
            assert (await agent.post(scan(f"s-{number}")))[0] == 201
        taking = asyncio.create_task(take_events(agent))
        result = await asyncio.to_thread(backup, tmp_path / "copy.sqlite", "--data", agent.folder.path, "--json")
        await taking
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"]) == (0, True)
    assert told["events"]["sales"] >= 10


async def take_events(agent: AgentProcess) -> None:
    for number in range(20):
        assert (await agent.post(scan(f"during-{number}")))[0] == 201


def test_a_file_that_is_there_is_kept_without_force(data: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.sqlite").write_bytes(b"kept")
    refused = backup(tmp_path / "copy.sqlite", "--data", data)
    assert refused.exit_code == 1
    assert "copy.sqlite is there already: choose another name, or replace it with --force" in refused.stderr
    assert (tmp_path / "copy.sqlite").read_bytes() == b"kept"
    assert backup(tmp_path / "copy.sqlite", "--data", data, "--force").exit_code == 0
    assert len(stored_rows(tmp_path / "copy.sqlite")) == 7


@pytest.mark.parametrize("place", ["events.sqlite", "copy.sqlite", "old/copy.sqlite"])
def test_no_copy_goes_into_the_logs_own_folder(data: Path, place: str) -> None:
    before = (data / "log" / FILE).read_bytes()
    refused = backup(data / "log" / place, "--data", data, "--force")
    assert (refused.exit_code, "would lie in the log's own folder" in refused.stderr) == (1, True)
    assert (data / "log" / FILE).read_bytes() == before


def test_a_folder_without_a_log_is_told_by_name(tmp_path: Path) -> None:
    refused = backup(tmp_path / "copy.sqlite", "--data", tmp_path / "nobody")
    assert refused.exit_code == 1
    assert f"{tmp_path / 'nobody' / 'log' / FILE} does not exist: name the agent's data folder" in refused.stderr


def test_a_damaged_log_is_copied_as_it_is_and_what_is_damaged_is_told(data: Path, tmp_path: Path) -> None:
    with raw(data / "log" / FILE) as connection:
        connection.execute("UPDATE event_sales SET body = x'00' WHERE id = 'e-3'")
    result = backup(tmp_path / "copy.sqlite", "--data", data)
    assert result.exit_code == 1
    assert "damaged: sales 3 of epoch 1\n" in result.stderr
    assert "the copy holds the pages as they are" in result.stderr
    assert len(stored_rows_without_bodies(tmp_path / "copy.sqlite")) == 7
    told = json.loads(backup(tmp_path / "again.sqlite", "--data", data, "--json").stdout)
    assert told["damaged"] == [{"stream": "sales", "epoch_number": 1, "sequence": 3}]


def stored_rows_without_bodies(file: Path) -> list[tuple[str]]:
    with raw(file) as connection:
        return connection.execute("SELECT id FROM event_sales").fetchall()
