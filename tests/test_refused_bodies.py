"""Bodies of refused events: kept only where asked for, bounded, for the owner alone, and never with card data (D1)."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import main
from agent.errors import Problem
from agent.refused_bodies import FILES_MAX, HEAD_BYTES_MAX, RefusedBodies
from tests.agent_process import running_agent, scan, settings_toml
from tests.log.world import SetClock

pytestmark = pytest.mark.case("D1")

WRONG = [Problem("data.qty", "a float", "a decimal string")]


def kept_in(folder: Path, clock: SetClock | None = None, days: int = 3) -> RefusedBodies:
    return RefusedBodies(folder, days=days, clock=clock or SetClock())


async def test_d1_a_refused_body_is_kept_as_it_came_with_when_whose_and_why(tmp_path: Path) -> None:
    kept = kept_in(tmp_path / "refused")
    body = b'{"type": "pos.scan.v1", "data": {"qty": 1.5}}\xff\x00'
    kept.keep("till-1", "refused", WRONG, body)
    await kept.settled()
    (found,) = kept.list()
    assert (found.producer, found.refusal, found.size_bytes, found.head) == ("till-1", "refused", len(body), body)
    assert found.problems == ("data.qty: a float; expected a decimal string",)
    (file,) = (tmp_path / "refused").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_d1_of_a_large_body_the_head_is_kept_and_its_size(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    kept.keep("till-1", "refused", WRONG, b"x" * 5_000_000)
    await kept.settled()
    (found,) = kept.list()
    assert (len(found.head), found.size_bytes) == (HEAD_BYTES_MAX, 5_000_000)


async def test_d1_nothing_is_kept_unless_asked_for_or_without_room(tmp_path: Path) -> None:
    off = kept_in(tmp_path, days=0)
    full = RefusedBodies(tmp_path, days=3, clock=SetClock(), has_room=lambda: False)
    for kept in (off, full):
        kept.keep("till-1", "refused", WRONG, b"{")
        await kept.settled()
        assert kept.list() == []


@pytest.mark.parametrize(
    "body",
    [b'{"note": "4111 1111 1111 1111"}', b'{"note": "\\u0034111111111111111"}', b'{"x": 1, "cvv" : "123"}',
     b'[{"card-number": 1}', b"not JSON: 4111111111111111"],
)  # fmt: skip
async def test_d1_a_body_that_may_hold_card_data_is_not_kept(tmp_path: Path, body: bytes) -> None:
    kept = kept_in(tmp_path)
    kept.keep("till-1", "refused", WRONG, body)
    await kept.settled()
    assert kept.list() == []


async def test_d1_the_oldest_go_when_there_are_too_many_and_all_go_after_their_days(tmp_path: Path) -> None:
    clock = SetClock()
    kept = kept_in(tmp_path, clock)
    for number in range(FILES_MAX + 3):
        kept.keep("till-1", "refused", WRONG, str(number).encode())
        await kept.settled()
    assert [body.head for body in kept.list()] == [str(number).encode() for number in range(3, FILES_MAX + 3)]
    clock.now += timedelta(days=3, seconds=1)
    assert kept.clear() == FILES_MAX
    assert kept.list() == []


async def test_d1_what_was_kept_goes_when_keeping_is_switched_off(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    kept.keep("till-1", "refused", WRONG, b"{")
    await kept.settled()
    assert kept_in(tmp_path, days=0).clear() == 1


async def test_d1_an_agent_keeps_what_it_refuses_and_the_command_shows_and_drops_it(tmp_path: Path) -> None:
    settings = settings_toml(link={"enabled": False}, events={"keep_refused_days": 1})
    async with running_agent(tmp_path, settings) as agent:
        assert (await agent.post([scan("good")]))[0] == 201
        assert (await agent.post(b'[{"type": "pos.scan.v1", \n "data": {"a\x1b[2J": NaN}}]'))[0] == 400
        assert (await agent.post([scan("good", till_id="till-9")]))[0] == 409
    run = CliRunner()
    data = ["--data", str(agent.folder.path)]
    listed = json.loads(run.invoke(main, ["refused", "list", "--json", *data]).stdout)["refused"]
    assert [(body["number"], body["refusal"]) for body in listed] == [(1, "event_refused"), (2, "id_conflict")]
    shown = run.invoke(main, ["refused", "show", "1", *data]).stdout
    assert "\x1b" not in shown
    assert '"data": {"a[2J": NaN}}]' in shown.splitlines()[-1]
    assert run.invoke(main, ["refused", "drop", "1", *data]).exit_code == 0
    gone = run.invoke(main, ["refused", "show", "1", *data])
    assert gone.exit_code != 0
    assert "no refused body 1" in gone.stderr
