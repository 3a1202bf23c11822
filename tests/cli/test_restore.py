"""`storeforward restore`: what it asks, what it refuses, and that an agent goes on from what it put in place."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.event_types import Stream
from agent.log import CLOUD, Place
from agent.log.copies.backup import copy_log
from tests.agent_process import running_agent, scan
from tests.log.world import events, inline_log, stored_rows
from tests.waiting import until

FILE = "events.sqlite"
QUESTION = "The present log holds 3 events that the backup does not hold, of these 2 not sent to the cloud yet. "


class Shop(NamedTuple):
    data: Path
    backup: Path


@pytest.fixture
async def shop(tmp_path: Path) -> Shop:
    """4 events in both; 3 more in the log, of which one is sent."""
    shop = Shop(tmp_path / "data", tmp_path / "backup.sqlite")
    with inline_log(shop.data / "log") as log:
        log.append_now(events(4))
        copy_log(log.file, shop.backup)
        log.append_now(events(3, "later"))
        await log.advance(CLOUD, Stream.SALES, Place(1, 5))
    return shop


def restore(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["restore", *map(str, arguments)])


def ids(shop: Shop) -> list[str]:
    return [row[3] for row in stored_rows(shop.data / "log" / FILE)]


def test_without_a_terminal_it_says_what_would_be_put_aside_and_wants_yes(shop: Shop) -> None:
    refused = restore(shop.backup, "--data", shop.data)
    assert refused.exit_code == 1
    assert f"Error: {QUESTION}Nothing was changed: say --yes" in refused.stderr
    assert len(ids(shop)) == 7


def test_with_yes_it_restores_and_says_where_the_log_lies_that_was_there(shop: Shop) -> None:
    done = restore(shop.backup, "--data", shop.data, "--yes")
    assert done.exit_code == 0
    assert QUESTION.strip() in done.stderr
    (aside,) = (shop.data / "log" / "old").iterdir()
    assert f"The log that was here lies in {aside}.\nRestored: 4 events. Epoch " in done.stdout
    assert len(ids(shop)) == 4


def test_json_has_the_same_for_machines(shop: Shop) -> None:
    told = json.loads(restore(shop.backup, "--data", shop.data, "--yes", "--json").stdout)
    (aside,) = (shop.data / "log" / "old").iterdir()
    with inline_log(shop.data / "log") as log:
        assert told["epoch"] == log.epoch
    assert (told["put_aside"], told["not_in_backup"], told["not_in_backup_unsent"]) == (str(aside), 3, 2)
    assert (told["events"], told["ok"]) == ({"sales": 4}, True)


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 7), (b"y\n", 4)])
def test_at_a_terminal_it_asks(shop: Shop, answer: bytes, left: int) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "agent", "restore", str(shop.backup), "--data", str(shop.data)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        os.write(ours, answer)
        output, _ = child.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert f"{QUESTION}Put it aside and restore the backup? [y/N]:".encode() in output
    assert child.returncode == (0 if left == 4 else 1)
    assert len(ids(shop)) == left


def test_a_box_without_a_log_is_not_asked_about_one(shop: Shop, tmp_path: Path) -> None:
    done = restore(shop.backup, "--data", tmp_path / "new" / "data")
    assert (done.exit_code, done.stderr) == (0, "")
    assert len(ids(Shop(tmp_path / "new" / "data", shop.backup))) == 4


async def test_a_running_agent_is_refused_by_its_process_and_a_stopped_one_goes_on_in_the_new_epoch(
    tmp_path: Path,
) -> None:
    backup = tmp_path / "backup.sqlite"
    async with running_agent(tmp_path) as agent:
        await agent.post([scan("a"), scan("b")])
        copy_log(agent.folder.log / FILE, backup)
        await agent.post([scan("c")])
        before = (await agent.status())["log"]["epoch"]
        refused = await asyncio.to_thread(restore, backup, "--data", agent.folder.path, "--yes")
        pid = (agent.folder.log / "lock").read_text().strip()
        assert (refused.exit_code, f"is in use by process {pid}: stop that agent first" in refused.stderr) == (1, True)
    assert restore(backup, "--data", agent.folder.path, "--yes").exit_code == 0
    async with running_agent(tmp_path) as agent:
        _, document = await agent.post([scan("d")])
        (answer,) = document["events"]
        assert answer["sequence"] == 1
        assert (await agent.status())["log"]["epoch"] == answer["epoch"] != before

        async def told() -> bool:
            return any("epoch" in row[3] for row in stored_rows(agent.folder.log / FILE) if row[1] == 4_096)

        await until(told)
