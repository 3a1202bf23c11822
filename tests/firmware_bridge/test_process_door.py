"""Who gets in at the bridge's socket: one client a vehicle, of the same user, that greets; the rest hears why not."""

import os
import select
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir
from threading import Thread

import pytest

from firmware_bridge import LinkUp, PortLost, StopReason
from firmware_bridge.message_socket import MessageSocket
from firmware_bridge.socket_bridge import SocketBridge
from firmware_bridge.socket_messages import VERSION, Goodbye, Hello, Message, MessageReader, Submit, Welcome, pack
from firmware_bridge.socket_server import SerialPort, SocketServer, SocketUnusable
from sim.vehicle import Vehicle
from tests.firmware_bridge.bridge_shells import DEADLINE_S, Core

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bridge.sock"


@pytest.fixture
def server(path: Path, said: list[str], tmp_path: Path) -> Iterator[SocketServer]:
    ports = {name: SerialPort(str(tmp_path / name / "line"), 115200) for name in ("agv-1", "agv-2")}
    with SocketServer(path, ports, said.append) as server:
        thread = Thread(target=server.run)
        thread.start()
        yield server
        server.end()
        thread.join()


def goodbye(connection: socket.socket) -> str:
    """What the bridge says before it closes."""
    connection.settimeout(DEADLINE_S)
    reader, found = MessageReader(), list[Message]()
    try:
        while octets := connection.recv(4096):
            found += reader.feed(octets)
    except ConnectionResetError:  # it closed with something of ours unread
        pass
    assert isinstance(found[-1], Goodbye)
    return found[-1].why.decode()


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(DEADLINE_S)
    connection.connect(str(path))
    return connection


def greet(path: Path, hello: Hello) -> tuple[socket.socket, socket.socket]:
    connection = connected(path)
    ours, theirs = socket.socketpair()
    socket.send_fds(connection, [pack(hello)], [theirs.fileno()])
    theirs.close()
    return connection, ours


def refusal_of(bridge: SocketBridge) -> str:
    core = Core(bridge)
    core.until(lambda: core.of(PortLost))
    return core.of(PortLost)[0].why


def test_the_socket_is_for_its_owner_only(server: SocketServer, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_vehicle_has_one_client(server: SocketServer, path: Path, said: list[str]) -> None:
    first, stops = greet(path, Hello(VERSION, b"agv-1"))
    with first, stops:
        assert isinstance(next(MessageReader().feed(first.recv(4096))), Welcome)
        with SocketBridge(path, vehicle="agv-1") as second:
            assert f"agv-1 is in use by process {os.getpid()}" in refusal_of(second)
    assert any("refused: agv-1 is in use" in line for line in said)


def test_the_vehicles_of_one_bridge_do_not_know_of_each_other(server: SocketServer, path: Path, tmp_path: Path) -> None:
    one, two = (SocketBridge(path, vehicle=name) for name in ("agv-1", "agv-2"))
    with Vehicle(tmp_path / "agv-1"), Vehicle(tmp_path / "agv-2") as other, one, two:
        first, second = Core(one).opened(), Core(two).opened()
        lost = len(first.of(PortLost)), len(second.of(PortLost))
        other.kill()
        second.until(lambda: len(second.of(PortLost)) > lost[1])
        first.round()
        assert (len(first.of(LinkUp)), len(first.of(PortLost))) == (1, lost[0])


def test_a_vehicle_that_is_not_here_is_refused_with_those_that_are(server: SocketServer, path: Path) -> None:
    with SocketBridge(path, vehicle="agv-9") as bridge:
        assert refusal_of(bridge) == "no vehicle 'agv-9' here: expected one of agv-1, agv-2"


def test_the_reason_is_heard_also_by_a_client_that_was_about_to_speak(server: SocketServer, path: Path) -> None:
    with SocketBridge(path, vehicle="agv-9") as bridge:
        assert select.select([bridge.fileno()], [], [], DEADLINE_S)[0], "the goodbye is there, and unread"
        server.end()
        bridge.stop(StopReason.TEST)
        bridge.stop(StopReason.TEST)
        assert refusal_of(bridge) == "no vehicle 'agv-9' here: expected one of agv-1, agv-2"


def test_another_release_is_refused(server: SocketServer, path: Path) -> None:
    connection, stops = greet(path, Hello(VERSION + 1, b"agv-1"))
    with connection, stops:
        assert "start both from one release" in goodbye(connection)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"\xff\xff" + bytes(100), "65535 octets"),
        (b"GET / HTTP/1.1\r\n", "octets: expected 1 to 512"),
        (pack(Submit(1, 1, 1, 1, b"")), "first message is not a greeting"),
        (pack(Hello(VERSION, b"agv-1"))[:4], "first message is not a greeting"),
        (pack(Hello(VERSION, b"agv-1")), "no Unix stream socket for stops"),
    ],
    ids=["giant", "another protocol", "no greeting", "truncated", "without a stop socket"],
)
def test_what_is_no_greeting_is_closed_with_a_reason(server: SocketServer, path: Path, octets: bytes, why: str) -> None:
    with connected(path) as connection:
        connection.sendall(octets)
        assert why in goodbye(connection)


def test_a_descriptor_that_is_no_socket_is_refused(server: SocketServer, path: Path) -> None:
    with connected(path) as connection, Path("/dev/null").open("rb") as file:
        socket.send_fds(connection, [pack(Hello(VERSION, b"agv-1"))], [file.fileno()])
        assert "no Unix stream socket for stops" in goodbye(connection)


def test_a_client_that_says_nothing_is_closed_with_a_reason(server: SocketServer, path: Path) -> None:
    with connected(path) as connection:
        assert "no greeting came within 1 s" in goodbye(connection)


@pytest.mark.parametrize("lane", [0, 1], ids=["commands", "stops"])
def test_garbage_of_a_client_ends_it_with_a_reason_and_frees_the_vehicle(
    server: SocketServer, path: Path, lane: int
) -> None:
    pair = greet(path, Hello(VERSION, b"agv-1"))
    with pair[0], pair[1]:
        pair[lane].sendall(b"\xff" * 5000)
        assert "65535 octets" in goodbye(pair[0])
    with SocketBridge(path, vehicle="agv-2") as bridge:
        assert "no such port" in refusal_of(bridge)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_refused(server: SocketServer, path: Path) -> None:
    for folder in takewhile(lambda folder: str(folder) != gettempdir(), path.parents):
        folder.chmod(0o711)  # pytest's folders are its user's alone, and there is one more of them with workers
    path.chmod(0o666)
    program = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdout.buffer.write(s.recv(600))"
    )
    answer = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, timeout=30)
    assert b"another user's process" in answer.stdout


def test_a_second_bridge_at_the_same_socket_is_refused(server: SocketServer, path: Path) -> None:
    with pytest.raises(SocketUnusable, match=f"is served by process {os.getpid()}"):
        SocketServer(path, {}, print)


def test_a_socket_left_by_a_dead_bridge_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with SocketServer(path, {}, print):
        assert path.is_socket()
    assert not path.exists()


@pytest.mark.parametrize(("name", "why"), [("x" * 120, "expected at most 107"), ("no/folder", "No such file")])
def test_a_path_that_cannot_be_is_told(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(SocketUnusable, match=why):
        SocketServer(tmp_path / name, {}, print)


def test_what_lies_at_the_path_and_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(SocketUnusable, match="in use"):
        SocketServer(path, {}, print)
    assert path.read_text(encoding="utf-8") == "precious"


def test_what_a_bridge_may_not_say_ends_the_connection_and_is_told(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with SocketBridge(path, vehicle="agv-1") as bridge:
            peer = MessageSocket(listener.accept()[0])
            peer.send(Submit(1, 1, 1, 1, b""))
            why = refusal_of(bridge)
            peer.close()
    assert "not from a bridge" in why


def test_the_command_says_why_it_cannot_serve(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "firmware_bridge.serve", "/dev/null", f"--socket={tmp_path / 'no' / 'b.sock'}"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert answer.returncode == 1
    assert "no socket can be made there" in answer.stderr
    assert "Traceback" not in answer.stderr
