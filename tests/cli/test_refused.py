"""`storeforward refused`: what an operator sees of refused bodies, with the agent running or not (D1)."""

import json
from pathlib import Path

import pytest
from click.testing import Result

from agent.data_folder import DataFolder
from agent.errors import Problem
from agent.refused import RefusedShelf
from tests.agent_process import running_agent, scan, settings_toml
from tests.cli.command import invoke, run_unprivileged
from tests.refused.test_body import record

pytestmark = pytest.mark.case("D1")

WRONG = Problem("data.a\x1b[2J", "not a number", "a decimal text")


def refused(folder: Path, *arguments: object) -> Result:
    return invoke("refused", *arguments, "--data", folder)


def kept(folder: Path, *heads: bytes, withheld: str = "") -> RefusedShelf:
    shelf = RefusedShelf(DataFolder(folder).refused)
    for head in heads:
        shelf.put(record(head, WRONG, withheld=withheld))
    return shelf


def test_d1_the_list_is_a_line_for_each_and_nothing_in_it_acts_on_the_terminal(tmp_path: Path) -> None:
    kept(tmp_path, b"{}", b"[]")
    shown = refused(tmp_path, "list").stdout
    assert "   1  2026-" in shown
    assert "till-1  2 bytes  data.a\\x1b[2J: not a number; expected a decimal text\n" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)
    rows = json.loads(refused(tmp_path, "list", "--json").stdout)["refused"]
    assert [(row["number"], row["peer"]) for row in rows] == [
        (1, "process 7 of user 1000"),
        (2, "process 7 of user 1000"),
    ]
    assert "body" not in rows[0]


def test_d1_an_empty_list_says_which_setting_fills_it(tmp_path: Path) -> None:
    result = refused(tmp_path, "list")
    assert result.exit_code == 0
    assert "events.keep_refused_days" in result.stdout


def test_d1_show_gives_the_body_with_its_control_characters_escaped(tmp_path: Path) -> None:
    kept(tmp_path, '{"a": "\x1b]0;mine\x07\u202e",\r\n "b": 1}'.encode() + b"\xff")
    shown = refused(tmp_path, "show", 1).stdout
    assert '{"a": "\\x1b]0;mine\\x07\\u202e",\\r\n "b": 1}\\xff\n' in shown
    assert "32 bytes:" in shown


def test_d1_show_as_json_has_the_bytes_as_text_or_where_they_are_none_as_base64(tmp_path: Path) -> None:
    kept(tmp_path, '{"a": "\u00e4\x1b"'.encode(), b"\xff\x00")
    assert json.loads(refused(tmp_path, "show", 1, "--json").stdout)["body"] == '{"a": "\u00e4\x1b"'
    assert json.loads(refused(tmp_path, "show", 2, "--json").stdout)["body_base64"] == "/wA="


def test_d1_what_was_cut_or_withheld_is_told(tmp_path: Path) -> None:
    shelf = RefusedShelf(DataFolder(tmp_path).refused)
    shelf.put(record(b"xy", size_bytes=5_000_000))
    shelf.put(record(b"xy", withheld="card data"))
    assert "5,000,000 bytes, the first 2 of them:\nxy\n" in refused(tmp_path, "show", 1).stdout
    shown = refused(tmp_path, "show", 2).stdout
    assert "2 bytes, which are not kept: they seem to hold card data" in shown
    assert "xy" not in shown


def test_d1_drop_forgets_one_or_all_after_a_yes(tmp_path: Path) -> None:
    shelf = kept(tmp_path, b"1", b"2", b"3")
    assert refused(tmp_path, "drop", 2).exit_code == 1, "nobody said yes"
    assert len(shelf.bodies()) == 3
    assert refused(tmp_path, "drop", 2, "--yes").stdout == "1 dropped.\n"
    assert [body.number for body in shelf.bodies()] == [1, 3]
    assert json.loads(refused(tmp_path, "drop", "--all", "--yes", "--json").stdout) == {"dropped": 2}
    assert shelf.bodies() == []


@pytest.mark.parametrize("arguments", [("drop", "--yes"), ("drop", 1, "--all", "--yes")])
def test_d1_drop_wants_a_number_or_all(tmp_path: Path, arguments: tuple[object, ...]) -> None:
    result = refused(tmp_path, *arguments)
    assert result.exit_code == 2
    assert "name one NUMBER, or --all" in result.stderr


@pytest.mark.parametrize("verb", [("show", 9), ("drop", 9, "--yes")])
def test_d1_a_number_that_is_not_there_is_told_with_the_command_that_lists(
    tmp_path: Path, verb: tuple[object, ...]
) -> None:
    result = refused(tmp_path, *verb)
    assert result.exit_code == 1
    assert "nothing is kept under 9: storeforward refused list" in result.stderr


def test_d1_another_user_is_told_whose_they_are_and_sees_nothing(tmp_path: Path) -> None:
    kept(tmp_path, b"secret")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    result = run_unprivileged("refused", "list", "--data", tmp_path)
    assert result.returncode == 1
    assert "is only for its owner: run this as the agent's user" in result.stderr


async def test_d1_an_agent_keeps_what_it_refuses_and_answers_as_ever(tmp_path: Path) -> None:
    settings = settings_toml(link={"enabled": False}, events={"keep_refused_days": 1})
    async with running_agent(tmp_path, settings) as agent:
        assert (await agent.post([scan("good")]))[0] == 201
        assert (await agent.post(b'[{"type": "pos.scan.v1", \n "data": {"a\x1b[2J": NaN}}]'))[0] == 400
        assert (await agent.post([scan("good", till_id="till-9")], "till-1"))[0] == 409
        code, problem = await agent.post([scan("card", till_id="4111111111111111")])
        assert (code, problem["problems"][0]["path"]) == (400, "[0].data.till_id")
    rows = json.loads(refused(agent.folder.path, "list", "--json").stdout)["refused"]
    told = [(row["refusal"], row["problems"][0]["path"], row["withheld"]) for row in rows]
    assert told == [
        ("event_refused", "", ""),
        ("id_conflict", "id", ""),
        ("event_refused", "[0].data.till_id", "card data"),
    ]
    assert all(row["peer"].startswith("process ") for row in rows)
    assert refused(agent.folder.path, "show", 1).stdout.endswith(' "data": {"a\\x1b[2J": NaN}}]\n')
    assert "4111" not in refused(agent.folder.path, "show", 3, "--json").stdout


async def test_d1_an_agent_that_is_not_asked_to_keeps_nothing_and_forgets_what_it_kept(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    shelf = kept(tmp_path / "data", b"old")
    async with running_agent(tmp_path) as agent:
        assert (await agent.post(b"{"))[0] == 400
    assert shelf.bodies() == []
