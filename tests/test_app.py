"""The agent as one process: what it loads, what it refuses to share, what it does without a cloud, how it ends."""

import asyncio
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from agent.app import clock_of
from agent.clock import ShopClock, SystemClock
from agent.log.schema import PAGE_BYTES
from agent.settings import ClockSettings
from tests.agent_process import running_agent, scan, settings_toml
from tests.api.api_world import free_port

MODULES_OF_A_RUNNING_AGENT = """
import asyncio, sys
from pathlib import Path
from agent.app import Agent
from agent.clock import SystemClock
from agent.data_folder import DataFolder
from agent.settings import LinkSettings, Settings

async def main() -> None:
    agent = Agent(Settings(link=LinkSettings(enabled=False)), DataFolder(Path(sys.argv[1])), SystemClock())
    running = asyncio.create_task(agent.run())
    while not DataFolder(Path(sys.argv[1])).socket.exists():
        await asyncio.sleep(0.01)
    agent.stop()
    await running

asyncio.run(main())
print(*sys.modules)
"""

FROZEN_IN_A_RUNNING_AGENT = """
import gc, os, signal, sys, threading, time
from pathlib import Path
from agent.cli.run import run
from agent.data_folder import DataFolder

def look():
    while not DataFolder(Path(sys.argv[1])).socket.exists():
        time.sleep(0.01)
    print(gc.get_freeze_count(), len(gc.get_objects()), file=sys.stderr)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=look).start()
run(["--data", sys.argv[1]], standalone_mode=False)
"""


def test_a_running_agents_collector_passes_by_what_was_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FROZEN_IN_A_RUNNING_AGENT, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr  # its log is the standard output
    frozen, looked_through = map(int, told.split())
    assert looked_through < frozen / 2


def test_a_running_agent_loads_no_heavy_library(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MODULES_OF_A_RUNNING_AGENT, str(tmp_path)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "agent.log.store" in loaded
    assert not loaded & {"pandas", "pyarrow", "numpy", "sqlite_utils", "matplotlib", "rich", "sim", "kivy"}


async def test_without_a_broker_it_takes_events_and_says_what_is_wrong(tmp_path: Path) -> None:
    async with running_agent(tmp_path, settings_toml(link={"port": free_port(), "backoff_max_s": 1.0})) as agent:
        status, _ = await agent.post([scan("1"), scan("2")])
        assert status == 201
        document = await agent.status()
        while not document["link"]["reason"]:
            document = await agent.status()
    assert document["log"]["waiting"] >= 2
    assert "is the broker running" in document["link"]["reason"]
    assert any("link" in problem for problem in document["problems"])


@pytest.mark.case("S2")
async def test_what_was_answered_is_there_after_sigkill(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        _, first = await agent.post(scan("1"))
        await agent.child.kill()
        await agent.child.start()
        status, again = await agent.post(scan("1"))
    assert status == 200
    assert again["events"][0] == first["events"][0] | {"duplicate": True}


async def test_an_open_basket_is_mirrored_again_after_a_restart(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        await agent.post([scan("1", line=1), scan("2", line=2)])
        await agent.child.kill()
        await agent.child.start()
        async with agent.session() as session, session.get("http://agent/v1/baskets/till-3") as response:
            basket = await response.json()
    assert [item["line"] for item in basket["items"]] == [1, 2]


async def test_a_damaged_page_among_the_last_sales_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        await agent.post([scan(f"{number}") for number in range(200)])
        await agent.child.stop()
        damage_a_page(agent.folder.log / "events.sqlite", "event_sales")
        await agent.child.start()
        status, _ = await agent.post(scan("after", till_id="till-9"))
    assert status == 201
    assert '"event": "agent.tail_damaged"' in agent.output.read_text()


@pytest.mark.case("S10")
async def test_a_second_agent_on_the_folder_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        command = [sys.executable, "-m", "agent", "run", "--data", str(agent.folder.path)]
        second = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        status, _ = await agent.post(scan("1"))
    assert second.returncode == 1
    assert f"in use by process {agent_pid(agent.output)}" in second.stderr
    assert "Traceback" not in second.stderr
    assert status == 201


@pytest.mark.case("P1")
async def test_sigterm_ends_it_in_good_order(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        assert await agent.child.stop() == 0
    assert json.loads(agent.output.read_text().splitlines()[-1])["event"] == "agent.stopped"


async def test_it_says_where_its_data_is(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        pass
    lines = [json.loads(line) for line in agent.output.read_text().splitlines()]
    ready = next(line for line in lines if line["event"] == "agent.ready")
    assert ready["folder"] == str(agent.folder.path)


def test_a_typo_in_the_settings_file_is_told_with_its_place(tmp_path: Path) -> None:
    config = tmp_path / "store.toml"
    config.write_text('[site]\nid = "s1"\n\n[link]\nprot = 8883\n')
    command = [sys.executable, "-m", "agent", "run", "--config", str(config), "--data", str(tmp_path / "data")]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert f"{config}:5 link.prot: " in refused.stderr
    assert "expected port; example port = 1883" in refused.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("speed", [1.0, 600.0])
def test_only_a_simulation_has_a_shop_clock(speed: float) -> None:
    assert isinstance(clock_of(ClockSettings()), SystemClock)
    starts_at = SystemClock().wall()
    assert clock_of(ClockSettings(speed=speed, starts_at=starts_at)) == ShopClock(starts_at, 0.0, speed)


def damage_a_page(file: Path, table: str) -> None:
    """Overwrite one of the middle pages of a table's rows."""
    with closing(connect(file)) as connection:
        rows = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", (table,)
        )
        pages = [page for (page,) in rows]
    with file.open("r+b") as opened:
        opened.seek((pages[len(pages) // 2] - 1) * PAGE_BYTES)
        opened.write(b"\xff" * PAGE_BYTES)


def agent_pid(output: Path) -> int:
    """The process id that the agent told when it was ready."""
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    return int(next(line["pid"] for line in lines if line["event"] == "agent.ready"))


async def test_an_agent_without_decisions_says_so_and_keeps_none_of_their_files(tmp_path: Path) -> None:
    settings = settings_toml(link={"enabled": False}, decide={"enabled": False})
    async with running_agent(tmp_path, settings) as agent, agent.session() as session:
        question = {"till_id": "till-3", "items": ["1082185"]}
        async with session.post("http://agent/v1/decisions", json=question) as response:
            assert response.status == 503
            problem = await response.json(content_type=None)
        assert problem["type"].endswith("decisions_off")
        assert (await agent.post(scan("1")))[0] == 201
    assert [file.name for file in agent.folder.decide.glob("*.sqlite")] == ["model.sqlite"]
