"""`storeforward doctor`: the findings of every check, with the agent running, stopped, or not there yet."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.agent_process import running_agent, scan, settings_toml
from tests.cli.command import invoke, run_on_terminal, run_unprivileged
from tests.link.certificates import Authority
from tests.link.sample_broker import link_settings, sample_broker
from tests.log.damage import flip_body
from tests.log.world import events, inline_log
from tests.open_folder import open_folder

Findings = dict[str, dict[str, Any]]  # Any: JSON


def findings(text: str) -> Findings:
    return {finding["check"]: finding for finding in json.loads(text)["findings"]}


def offline(folder: Path) -> Path:
    """A settings file of a box whose broker is not looked for."""
    file = folder / "offline.toml"
    file.write_text("[link]\nenabled = false\n")
    return file


async def ask(*arguments: object) -> tuple[int, str]:
    """From inside an event loop, which the command cannot share."""

    result = await asyncio.to_thread(invoke, "doctor", *arguments)
    return result.exit_code, result.stdout


def test_before_the_first_start_there_is_no_problem_and_nothing_is_made(tmp_path: Path) -> None:
    config = offline(tmp_path)
    result = invoke("doctor", "--json", "--config", config, "--data", tmp_path / "data")
    assert (result.exit_code, json.loads(result.stdout)["ok"]) == (0, True)
    assert findings(result.stdout)["agent"]["severity"] == "warning"
    assert list(tmp_path.iterdir()) == [config]


async def test_beside_a_running_agent_it_tells_its_version_and_its_problems(tmp_path: Path) -> None:
    async with running_agent(tmp_path, settings_toml(link={"enabled": False})) as agent:
        await agent.post([scan("a")])
        code, text = await ask("--json", "--config", tmp_path / "storeforward.toml", "--data", agent.folder.path)
    found = findings(text)
    assert code == 0
    assert "running for" in found["agent"]["text"]
    assert "the link is switched off" in found["backlog"]["text"]
    assert found["log"]["severity"] == "ok"


def test_for_people_each_finding_is_a_line_with_its_remedy_below(tmp_path: Path) -> None:
    result = invoke("doctor", "--config", offline(tmp_path), "--data", tmp_path)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    at = next(number for number, line in enumerate(lines) if line.startswith("warning  agent"))
    assert lines[at + 1].strip() == "-> storeforward run, or start its service"
    assert lines[-1].startswith("0 problems, ")


def test_on_a_terminal_severities_have_colours(tmp_path: Path) -> None:
    code, shown = run_on_terminal("doctor", "--config", offline(tmp_path), "--data", tmp_path)
    assert code == 0
    assert "\x1b[32mok" in shown
    assert "\x1b[33mwarning" in shown


def test_a_problem_is_exit_code_1(tmp_path: Path) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(3))
    flip_body(tmp_path / "log" / "events.sqlite", "e-2")
    result = invoke("doctor", "--config", offline(tmp_path), "--data", tmp_path)
    assert result.exit_code == 1
    assert "1 of the newest 3 events are damaged, the first is sales 1/2" in result.stdout
    assert "1 problem, " in result.stdout


def test_settings_that_do_not_load_are_told_by_file_and_line_and_the_rest_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text("[link]\nport = 0\n")
    result = invoke("doctor", "--json", "--config", file, "--data", tmp_path)
    found = findings(result.stdout)
    assert result.exit_code == 1
    assert found["settings"]["text"].startswith(f"{file}:2 link.port: out of range")
    assert found["disk"]["severity"] == "ok"


@pytest.mark.case("I5")
def test_plaintext_to_another_machine_is_a_problem_and_nothing_is_connected_to(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text('[link]\nhost = "mqtt.example.com"\n')
    result = invoke("doctor", "--json", "--config", file, "--data", tmp_path)
    found = findings(result.stdout)
    assert result.exit_code == 1
    assert found["settings"]["severity"] == "problem"
    assert "link.tls: off for a broker beyond this machine" in found["settings"]["text"]
    assert not {"dns", "tcp", "tls", "mqtt"} & set(found)


async def test_the_way_to_the_broker_is_told_with_and_without_a_running_agent(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with sample_broker(tmp_path / "broker", authority) as broker:
        link = link_settings(authority, authority.device()) | {"host": broker.host, "port": broker.port}
        async with running_agent(tmp_path, settings_toml(link=link)) as agent:
            arguments = ("--json", "--config", tmp_path / "storeforward.toml", "--data", agent.folder.path)
            answers = [await ask(*arguments)]
        answers.append(await ask(*arguments))
    for _, text in answers:
        found = findings(text)
        assert {found[check]["severity"] for check in ("tcp", "mqtt", "round trip", "receipts")} == {"ok"}
        assert found["certificate"]["severity"] == found["tls"]["severity"] == "warning"
    assert answers[1][0] == 0


@pytest.mark.parametrize("content", [b"", b"a shopping list, not a database. " * 500])
def test_a_file_that_is_no_log_is_a_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "events.sqlite").write_bytes(content)
    result = invoke("doctor", "--json", "--data", tmp_path)
    assert (result.exit_code, findings(result.stdout)["log"]["severity"]) == (1, "problem")


def test_a_wrong_folder_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert invoke("doctor", "--data", tmp_path / "file").exit_code == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop to another user")
def test_another_user_is_told_which_account_to_use() -> None:
    with open_folder() as folder:
        with inline_log(folder / "log") as log:
            log.append_now(events(3))
        (folder / "log").chmod(0o700)
        done = run_unprivileged("doctor", "--json", "--data", folder)
    assert (done.returncode, done.stderr) == (1, "")
    found = findings(done.stdout)
    for check in ("log", "backlog"):
        assert "Permission denied" in found[check]["text"] + found[check]["remedy"] or "may not" in found[check]["text"]
    assert found["fsync"]["severity"] == "warning"
    assert found["sqlite"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop to another user")
def test_whoever_may_not_ask_the_agent_is_not_told_to_restart_it() -> None:
    with open_folder() as folder:
        (folder / "data" / "run").mkdir(parents=True)
        (folder / "data").chmod(0o700)
        done = run_unprivileged("doctor", "--json", "--data", folder / "data")
    assert "(Permission denied)" in findings(done.stdout)["agent"]["text"]
    assert findings(done.stdout)["agent"]["remedy"] == "run doctor under the account the agent runs under"
