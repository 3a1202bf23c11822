"""`storeforward tail`: the newest events of a log and how far each has come."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.log import CLOUD, EventLog, Place
from agent.log.lock import StoreLock
from tests.agent_process import running_agent, scan
from tests.cli.command import invoke, run_on_terminal, run_unprivileged, start
from tests.cli.scanned import scanned
from tests.log.damage import flip_body, overwrite_leaf
from tests.log.world import SetClock, events, inline_log
from tests.open_folder import open_folder


def fill(data: Path, *, sales: int = 3, stock: int = 0, clock: SetClock | None = None) -> Path:
    with inline_log(data / "log", clock) as log:
        log.append_now([*events(sales), *events(stock, "s", stream=Stream.STOCK)])
    return data


def shown_ids(*arguments: object) -> list[str]:
    result = invoke("tail", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


def deliver(log: EventLog, upto: int) -> None:
    asyncio.run(log.advance(CLOUD, Stream.SALES, Place(1, upto)))


def test_each_event_is_a_line_with_place_delivery_and_what_it_says(tmp_path: Path) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(3))
        deliver(log, 1)
    flip_body(tmp_path / "log" / "events.sqlite", "e-3")
    result = invoke("tail", "--data", tmp_path)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[3:5] for line in lines] == [["1/1", "acknowledged"], ["1/2", "waiting"], ["1/3", "damaged"]]
    assert lines[0].startswith("2026-03-02 12:00:00.000Z  sales ")
    assert 'pos.void.v1  till-1  {"till_id": "till-1"' in lines[0]
    assert lines[2].endswith("id e-3")


def test_as_json_an_event_is_whole_and_a_damaged_one_is_null(tmp_path: Path) -> None:
    fill(tmp_path)
    flip_body(tmp_path / "log" / "events.sqlite", "e-3")
    told = [json.loads(line) for line in invoke("tail", "--json", "--data", tmp_path).stdout.splitlines()]
    assert [(each["delivery"], each["sequence"]) for each in told] == [("waiting", 1), ("waiting", 2), ("damaged", 3)]
    assert told[0]["event"]["id"] == told[0]["id"] == "e-1"
    assert told[0]["event"]["epoch"] == told[0]["epoch"]
    assert told[2]["event"] is None


def test_the_newest_of_all_streams_come_last(tmp_path: Path) -> None:
    fill(tmp_path, sales=30, stock=2)
    assert len(shown_ids("--data", tmp_path)) == 20
    assert shown_ids("-n", 3, "--data", tmp_path) == ["e-30", "s-1", "s-2"]
    assert shown_ids("-n", 0, "--data", tmp_path) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--type", "pos.void.v1"], ["e-1", "e-2"]),
        (["--type", "pos.void"], ["e-1", "e-2"]),
        (["--type", "dev.storeforward.pos.void.v1"], ["e-1", "e-2"]),
        (["--type", "pos.*"], ["e-1", "e-2"]),
        (["--type", "stock.*", "--type", "pos.sale"], ["s-1"]),
        (["--stream", "stock"], ["s-1"]),
        (["--stream", "stock", "--stream", "sales", "-n", "2"], ["e-2", "s-1"]),
        (["--source", "till-1"], ["e-1", "e-2", "s-1"]),
        (["--source", "/store-1/box-1/*"], ["e-1", "e-2", "s-1"]),
        (["--source", "till-2"], []),
    ],
)
def test_events_are_chosen_by_type_stream_and_source(tmp_path: Path, options: list[str], expected: list[str]) -> None:
    fill(tmp_path, sales=2, stock=1)
    assert shown_ids(*options, "--data", tmp_path) == expected


def test_since_a_moment_all_are_shown(tmp_path: Path) -> None:
    clock = SetClock(SystemClock().wall() - timedelta(hours=3))
    with inline_log(tmp_path / "log", clock) as log:
        log.append_now(events(30, "old"))
        clock.move(hours=2)
        log.append_now(events(30, "new"))
    assert shown_ids("--since", "2h", "--data", tmp_path) == [f"new-{at}" for at in range(1, 31)]
    assert shown_ids("--since", "2h", "-n", 1, "--data", tmp_path) == ["new-30"]
    assert len(shown_ids("--since", "2020-01-01", "--data", tmp_path)) == 60


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "5", "9999999d", "999999d"])
def test_no_moment_is_wrong_usage(tmp_path: Path, text: str) -> None:
    result = invoke("tail", "--since", text, "--data", tmp_path)
    assert result.exit_code == 2
    assert f"{text!r} is no moment; expected 15m, 2h or 3d (ago), 2026-03-02" in result.stderr


def test_a_slip_in_a_type_is_told(tmp_path: Path) -> None:
    result = invoke("tail", "--type", "pos.viod", "--data", fill(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No type 'pos.viod' is known here; is it pos.void.v1?" in result.stderr


@pytest.mark.case("D7")
def test_what_a_till_sends_does_not_act_on_the_terminal(tmp_path: Path) -> None:
    evil = "\x9b2Jgone\u202e\u2066"
    with inline_log(tmp_path / "log") as log:
        log.append_now([scanned(evil)])
    for options in ([], ["--json"]):
        shown = invoke("tail", *options, "--data", tmp_path).stdout
        assert "gone" in shown
        assert not set(evil) - set("2Jgone") & set(shown)
    assert json.loads(shown)["event"]["data"]["description"] == evil, "the JSON says the same"


def test_on_a_terminal_a_line_is_cut_at_its_width(tmp_path: Path) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now([scanned("x" * 150)])
    code, shown = run_on_terminal("tail", "--data", tmp_path)
    assert code == 0
    assert shown.count("\n") == 1
    assert len(re.sub(r"\x1b\[\d+m", "", shown).rstrip("\r\n")) == 100


def test_without_a_log_it_says_which_file_it_looked_for(tmp_path: Path) -> None:
    result = invoke("tail", "--data", tmp_path)
    assert result.exit_code == 1
    assert f"Error: {tmp_path}/log/events.sqlite does not exist" in result.stderr


def test_damage_in_one_stream_hides_no_other(tmp_path: Path) -> None:
    fill(tmp_path, sales=200, stock=2)
    overwrite_leaf(tmp_path / "log" / "events.sqlite", b'"e-200"')
    result = invoke("tail", "--json", "--data", tmp_path)
    assert result.exit_code == 0
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["s-1", "s-2"]
    assert "sales: older events are not shown" in result.stderr
    since = invoke("tail", "--json", "--since", "2020-01-01", "--data", tmp_path)
    assert len(since.stdout.splitlines()) > 180
    assert "sales: an unknown number of events" in since.stderr


async def test_beside_a_running_agent_it_follows_what_comes_in(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent:
        await agent.post([scan("a")])
        tail = start("tail", "--follow", "--json", "--stream", "sales", "--data", agent.folder.path)
        assert tail.stdout is not None
        assert json.loads(await asyncio.to_thread(tail.stdout.readline))["id"] == "a"
        await agent.post([scan("b"), scan("c")])
        lines = [json.loads(await asyncio.to_thread(tail.stdout.readline)) for _ in range(2)]
        assert [(line["id"], line["delivery"]) for line in lines] == [("b", "waiting"), ("c", "waiting")]
        tail.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(tail.wait, 20) == 0
        assert tail.stderr is not None
        assert tail.stderr.read() == ""
        tail.stdout.close()
        tail.stderr.close()


def test_following_goes_on_with_the_file_that_takes_the_place_of_a_damaged_one(tmp_path: Path) -> None:
    fill(tmp_path, sales=1)
    tail = start("tail", "--follow", "--json", "--data", tmp_path)
    assert tail.stdout is not None
    assert tail.stderr is not None
    assert json.loads(tail.stdout.readline())["id"] == "e-1"
    (tmp_path / "log").rename(tmp_path / "old")
    with inline_log(tmp_path / "new") as log:
        log.append_now(events(1, "b"))
        (tmp_path / "new").rename(tmp_path / "log")
        assert json.loads(tail.stdout.readline())["id"] == "b-1"
    assert "A new log file has taken the place of the one before, with epoch 1" in tail.stderr.readline()
    tail.send_signal(signal.SIGINT)
    assert tail.wait(20) == 0
    tail.stdout.close()
    tail.stderr.close()


def test_into_a_closed_pipe_it_ends_without_a_word(tmp_path: Path) -> None:
    fill(tmp_path, sales=900)
    program = f"{sys.executable} -m agent tail -n 900 --json --data {tmp_path} | head -n 1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop to another user")
def test_a_user_who_may_not_read_the_log_is_told_what_to_do() -> None:
    with open_folder() as folder:
        fill(folder)
        (folder / "log").chmod(0o700)
        done = run_unprivileged("tail", "--data", folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot read" in done.stderr
    assert "(Permission denied): use the account the agent runs under" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop to another user")
@pytest.mark.parametrize("leftover", [True, False])
def test_a_user_who_may_only_read_sees_a_stopped_agent_s_log(*, leftover: bool) -> None:
    with open_folder() as folder:
        fill(folder)
        (folder / "log").chmod(0o755)
        if not leftover:
            for file in (folder / "log").glob("events.sqlite-*"):
                file.unlink()
        done = run_unprivileged("tail", "--data", folder)
    assert done.stderr == ""
    assert done.stdout.count("pos.void.v1") == 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop to another user")
async def test_a_user_who_may_only_read_sees_a_running_agent_s_log() -> None:
    with open_folder() as folder:
        async with running_agent(folder) as agent:
            await agent.post([scan("a")])
            for path in (folder, agent.folder.path, agent.folder.log):
                path.chmod(0o755)
            done = await asyncio.to_thread(run_unprivileged, "tail", "--json", "--data", agent.folder.path)
    assert done.stderr == ""
    assert '"id": "a"' in done.stdout


def test_looking_takes_no_lock(tmp_path: Path) -> None:
    fill(tmp_path)
    lock = StoreLock.take(tmp_path / "log")
    assert len(shown_ids("--data", tmp_path)) == 3
    lock.release()
