"""Hostile bodies to a whole agent: its memory stays bounded, others are served, and no refused body is kept."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from agent.link.compression import compressed
from agent.topics import DeviceName, TopicRefused
from tests.agent_process import AgentProcess, running_agent, scan, settings_toml
from tests.api.api_world import CheckedClient, World
from tests.api.api_world import scan as short_scan
from tests.examples import EXAMPLES, PAN

UNPACKED_BYTES: Final = 200_000_000
GROWTH_BYTES_MAX: Final = 100_000_000
CALLS: Final = 4


def peak_bytes(agent: AgentProcess) -> int:
    status = Path(f"/proc/{agent.child.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def send(agent: AgentProcess, body: bytes, **headers: str) -> int:
    """The status of the answer."""
    wanted = {"Storeforward-Producer": "hostile", "Content-Type": "application/json", **headers}
    async with (
        agent.session() as session,
        session.post("http://agent/v1/events", data=BytesIO(body), headers=wanted) as response,
    ):
        await response.read()
        return response.status


@pytest.mark.case("D8")
@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", lambda blanks: gzip.compress(blanks, 1)),
        ("deflate", lambda blanks: zlib.compress(blanks, 1)),
        ("zstd", compressed),
    ],
)
async def test_a_compression_bomb_is_refused_at_the_size_of_a_body_and_takes_bounded_memory(
    tmp_path: Path, encoding: str, bomb: Callable[[bytes], bytes]
) -> None:
    body = bomb(b" " * UNPACKED_BYTES)
    assert len(body) < 1_000_000
    async with running_agent(tmp_path) as agent:
        assert (await agent.post(scan("before")))[0] == 201
        before = peak_bytes(agent)
        async with asyncio.timeout(60):
            calls = [send(agent, body, **{"Content-Encoding": encoding}) for _ in range(CALLS)]
            statuses, (status, _) = await asyncio.gather(asyncio.gather(*calls), agent.post(scan("beside")))
        assert set(statuses) == {413}
        assert status == 201
        assert peak_bytes(agent) - before < GROWTH_BYTES_MAX


@pytest.mark.case("D8")
@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, gzip"])
async def test_an_encoding_that_is_not_read_is_refused(till: CheckedClient, encoding: str) -> None:
    body = gzip.compress(gzip.compress(json.dumps(short_scan()).encode()))
    reply = await till.post("/v1/events", body, headers={"Content-Encoding": encoding}, checked=False)
    assert 400 <= reply.status < 500


@pytest.mark.case("D1")
async def test_hostile_json_takes_bounded_memory_and_others_are_served_beside_it(tmp_path: Path) -> None:
    bodies = [b"[" + b"[]," * 1_390_000 + b"0]", b"[" * 4_000_000, b"[" + b'"ab",' * 800_000 + b"0]"]
    settings = settings_toml(link={"enabled": False}, api={"producer_events_per_s": 1_000_000})
    async with running_agent(tmp_path, settings) as agent:
        assert (await agent.post(scan("before")))[0] == 201
        before = peak_bytes(agent)
        async with asyncio.timeout(60):
            calls = [send(agent, body) for body in bodies * 4]
            statuses, (status, _) = await asyncio.gather(asyncio.gather(*calls), agent.post(scan("beside")))
        assert set(statuses) == {400}
        assert status == 201
        assert peak_bytes(agent) - before < GROWTH_BYTES_MAX


@pytest.mark.case("D1")
async def test_no_refused_body_is_kept_or_repeated_anywhere(world: World, till: CheckedClient) -> None:
    """Its sender has it still, and knows the field. A body that breaks the contract may hold a card or a customer."""
    secret = "Jane Doe 0171-555-0199"
    for body in (
        json.dumps(short_scan(description=f"{secret} {PAN}")).encode(),
        json.dumps(short_scan(customer_id=secret)).encode(),
        json.dumps({**short_scan(), "loyalty": secret}).encode(),
        b'{"type":"pos.scan.v1","data":{"note":"' + secret.encode(),
    ):
        reply = await till.post("/v1/events", body)
        assert reply.status == 400
        assert secret.encode() not in reply.body
    for file in world.folder.path.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


@pytest.mark.case("D6")
@pytest.mark.parametrize("text", ["+", "#", "a/b", "$SYS", "a\x00", "a b", "", "_market", "\ud800", "é", "x" * 65])
async def test_no_name_can_become_more_than_its_one_topic_level(till: CheckedClient, text: str) -> None:
    for site, device in ((text, "box-1"), ("store-1", text)):
        with pytest.raises(TopicRefused):
            DeviceName(site, device)
    reply = await till.post("/v1/events", {"type": f"pos.{text}.v1", "data": EXAMPLES["pos.scan.v1"]})
    assert (reply.status, reply.kind) == (400, "event_refused")
    assert [path for path, _ in reply.problems] in (["type"], [""])
