"""The routes of a replay: who may call them, and what they refuse. What they do is shown with the command."""

from pathlib import Path
from typing import Any

import pytest

from agent.event_types import Stream
from agent.log import CLOUD
from tests.api.api_world import World, free_port, open_world, scan

WISH: dict[str, Any] = {"from": "2026-03-02T10:00:00Z", "to": "2999-03-02T12:00:00Z", "by": "ops"}  # Any: JSON


async def test_only_callers_on_this_machine_s_socket_may_ask(tmp_path: Path) -> None:
    async with open_world(tmp_path, api={"tcp_port": free_port()}) as world:
        for method, path in (("POST", "/v1/replay"), ("GET", "/v1/replay"), ("POST", "/v1/replay/stop")):
            assert (await world.remote().call(method, path)).status == 403


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"from": "2026-03-02T10:00:00"}, "from"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"to": "9999-12-31T23:59:59-12:00"}, "to"),
        ({"from": "2999-03-02T12:00:00Z"}, ""),
        ({"to": None}, "to"),
        ({"streams": ["sails"]}, "streams[0]"),
        ({"streams": ["sales"] * 9}, "streams"),
        ({"dry_run": 5}, "dry_run"),
        ({"by": "a b"}, "by"),
        ({"also": 1}, "also"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_path(world: World, changes: dict[str, Any], path: str) -> None:
    reply = await world.local().post("/v1/replay", WISH | changes)
    assert (reply.status, reply.problems[0][0]) == (400, path)


async def test_nothing_is_sent_with_the_link_off_and_a_plan_can_be_had(world: World) -> None:
    await world.local().post("/v1/events", [scan(1), scan(2)])
    await world.log.advance(CLOUD, Stream.SALES, world.log.head(Stream.SALES))
    reply = await world.local().post("/v1/replay", WISH)
    assert (reply.status, reply.kind) == (409, "link_off")
    reply = await world.local().post("/v1/replay", {**WISH, "dry_run": True, "streams": ["sales", "stock"]})
    assert (reply.status, reply.json["state"], reply.json["events"], reply.json["nothing"]) == (200, "planned", 2, "")
    reply = await world.local().get("/v1/replay")
    assert (reply.status, reply.kind) == (404, "no_replay")
    reply = await world.local().post("/v1/replay/stop")
    assert (reply.status, reply.kind) == (404, "no_replay")
    assert world.stored(Stream.AUDIT) == []
