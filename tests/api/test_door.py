"""Who is let in: peers on the socket, tokens on TCP, no browsers, and each producer only to its own."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agent.api.peer import Peer, groups_of, is_welcome
from agent.event_types import Stream
from tests.api.api_world import CheckedClient, World, scan
from tests.examples import EXAMPLES


@pytest.mark.case("I7")
async def test_without_a_token_tcp_tells_only_that_it_lives(world: World) -> None:
    nobody = world.remote()
    for path in ("/livez", "/readyz", "/v1/openapi.json", "/metrics"):
        assert (await nobody.get(path)).status == 200
    for path in ("/v1/status", "/v1/baskets/t1", "/v1/products?q=milk", "/v1/event-types", "/v1/receipts"):
        reply = await nobody.get(path)
        assert (reply.status, reply.kind) == (401, "no_token")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await nobody.post("/v1/events", scan())).status == 401


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer ", "Basic YTpi", "wrong", "Bearer \xe9", "B" * 3_000]
)
async def test_a_wrong_token_is_401(world: World, authorization: str) -> None:
    world.producers.add("till-3")
    reply = await world.remote(Authorization=authorization).get("/v1/status")
    assert reply.status == 401


async def test_a_token_writes_as_its_producer(world: World) -> None:
    token = world.producers.add("till-3")
    reply = await world.remote(token).post("/v1/events", {"id": "e-1", **scan()})
    assert reply.status == 201
    (stored,) = world.stored(Stream.SALES)
    assert stored["source"] == "/store-1/box-1/till-3"


async def test_a_removed_producer_is_locked_out_at_once(world: World) -> None:
    token = world.producers.add("till-3")
    caller = world.remote(token)
    assert (await caller.get("/v1/status")).status == 200
    world.producers.remove("till-3")
    assert (await caller.get("/v1/status")).status == 401


async def test_the_producer_header_is_nothing_on_tcp(world: World) -> None:
    token = world.producers.add("till-3")
    reply = await world.remote(token, **{"Storeforward-Producer": "till-4"}).post("/v1/events", scan())
    assert reply.status == 201
    assert world.stored(Stream.SALES)[0]["source"].endswith("/till-3")


@pytest.mark.parametrize("where", ["tcp", "socket"])
async def test_a_producer_writes_only_its_declared_types(world: World, where: str) -> None:
    token = world.producers.add("till-3", ["pos.*"])
    caller = world.remote(token) if where == "tcp" else world.local("till-3")
    stock = {"type": "stock.level.v1", "data": EXAMPLES["stock.level.v1"]}
    reply = await caller.post("/v1/events", [scan(), stock])
    assert (reply.status, reply.kind) == (403, "foreign_type")
    assert reply.problems == [("[1].type", "stock.level.v1 is not among this producer's types")]
    assert world.stored(Stream.SALES) == []
    assert (await caller.post("/v1/events", scan())).status == 201


async def test_a_source_that_is_not_its_own_is_403(world: World, till: CheckedClient) -> None:
    event = {**scan(), "specversion": "1.0", "id": "e", "source": "/store-1/box-1/till-4"}
    event["type"] = "dev.storeforward.pos.scan.v1"
    reply = await till.post("/v1/events", event)
    assert (reply.status, reply.kind) == (403, "foreign_source")
    assert world.stored(Stream.SALES) == []


async def test_a_producer_on_the_socket_has_to_name_itself_for_events_only(world: World) -> None:
    nameless = world.local(None)
    reply = await nameless.post("/v1/events", scan())
    assert (reply.status, reply.kind) == (401, "no_name")
    assert (await nameless.get("/v1/status")).status == 200


@pytest.mark.case("D6")
@pytest.mark.parametrize("name", ["agent", "_x", "a/b", "", "x" * 65, "caf\xe9"])
async def test_some_names_are_nobodys(world: World, name: str) -> None:
    caller = world.local(None)
    reply = await caller.post("/v1/events", scan(), headers={"Storeforward-Producer": name})
    assert (reply.status, reply.kind) == (403, "producer_name")


async def test_a_damaged_file_of_producers_stops_tcp_and_not_the_socket(world: World) -> None:
    token = world.producers.add("till-3")
    (world.folder.identity / "producers.json").write_text("{")
    reply = await world.remote(token).post("/v1/events", scan())
    assert reply.status == 503
    assert (await world.local("till-3").post("/v1/events", scan())).status == 201


@pytest.mark.case("I7")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example:8080"},
        {"Host": "127.0.0.1@evil.example"},
        {"Host": "0.0.0.0"},
    ],
)
async def test_browsers_and_rebound_names_are_kept_out_of_tcp(world: World, headers: dict[str, str]) -> None:
    token = world.producers.add("till-3")
    for path in ("/v1/status", "/livez"):
        reply = await world.remote(token).get(path, headers=headers)
        assert reply.status == 403
        assert reply.kind in ("browser", "host")


@pytest.mark.case("I7")
async def test_no_page_is_ever_allowed_to_read_or_to_send(world: World) -> None:
    token = world.producers.add("till-3")
    asks = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    asks["Access-Control-Request-Headers"] = "authorization"
    replies = [
        await world.remote(token).call("OPTIONS", "/v1/events", headers=asks, checked=False),
        await world.remote(token).post("/v1/events", scan(), headers={"Origin": "http://evil.example"}),
        await world.remote().get("/livez"),
    ]
    assert [reply.status for reply in replies[:2]] in ([403, 403], [405, 403])
    assert not [name for reply in replies for name in reply.headers if name.lower().startswith("access-control-")]
    assert world.stored(Stream.SALES) == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:8080"])
async def test_names_of_this_machine_are_hosts(world: World, host: str) -> None:
    assert (await world.remote().get("/livez", headers={"Host": host})).status == 200


async def test_only_the_socket_imports_products(world: World) -> None:
    token = world.producers.add("till-3")
    reply = await world.remote(token).post("/v1/catalogue", b"", headers={"Content-Type": "text/csv"})
    assert (reply.status, reply.kind) == (403, "local_only")


async def test_a_sensor_neither_sees_baskets_nor_asks_tills(world: World) -> None:
    sensor = world.remote(world.producers.add("fridge", ["environment.v1"]))
    asked = {"basket_id": "b", "kind": "add_item", "sku": "1"}
    replies = [
        await sensor.get("/v1/baskets/t1"),
        await sensor.get("/v1/tills/t1/requests"),
        await sensor.get("/v1/tills/t1/requests/r1"),
        await sensor.post("/v1/tills/t1/requests", asked),
        await sensor.post("/v1/tills/t1/requests/r1", {"outcome": "done"}),
    ]
    assert {(reply.status, reply.kind) for reply in replies} == {(403, "not_its_job")}


@pytest.mark.parametrize("till_id", ["a b", "%2F", "x" * 81, "%00", "%ED%A0%80"])
async def test_a_till_that_no_event_could_name_is_400(till: CheckedClient, till_id: str) -> None:
    reply = await till.get(f"/v1/baskets/{till_id}")
    assert (reply.status, reply.kind) == (400, "path")


@pytest.mark.case("I7")
def test_own_user_root_and_group_members_are_welcome(tmp_path: Path) -> None:
    file = tmp_path / "agent.sock"
    file.touch()
    gid = file.stat().st_gid
    assert is_welcome(Peer(1, os.geteuid(), 65_534), file)
    assert is_welcome(Peer(1, 0, 65_534), file)
    assert is_welcome(Peer(1, 65_534, gid), file)
    assert not is_welcome(Peer(1, 65_534, gid + 1), file)
    assert not is_welcome(Peer(1, 3_999_999, gid + 1), file), "a user that the system does not know"


def test_the_groups_of_a_user_come_from_the_system() -> None:
    assert os.getgid() in groups_of(Peer(os.getpid(), os.getuid(), os.getgid()))


@pytest.mark.case("I7")
def test_the_kernel_tells_who_connected() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert Peer.of(one) == Peer(os.getpid(), os.geteuid(), os.getegid())


STRANGER = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    s.sendall(b"GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    print(s.recv(100).split()[1].decode())
"""


@pytest.mark.case("I7")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(("gid", "status"), [(65_534, "403"), (65_432, "200")])
async def test_only_the_group_of_the_socket_file_is_let_in(world: World, gid: int, status: str) -> None:
    path = world.folder.socket
    await asyncio.to_thread(_open_to_all, path)
    os.chown(path, -1, 65_432)
    command = [sys.executable, "-c", STRANGER, str(path), str(gid)]
    answer = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == status, answer.stderr


def _open_to_all(path: Path) -> None:
    path.chmod(0o666)
    for folder in path.parents:
        if folder.stat().st_mode & 0o055 != 0o055:
            folder.chmod(folder.stat().st_mode | 0o055)
