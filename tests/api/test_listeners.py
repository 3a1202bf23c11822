"""The three ways in: the socket's file and mode, loopback TCP, the LAN with TLS; a failed one closes only itself."""

import asyncio
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.api import ListenerFailed
from tests.api.api_world import CheckedClient, World, free_port, open_world, scan

LISTENERS = ("unix", "loopback", "lan")


def make_certificate(folder: Path, name: str = "box") -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and shop.example, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "box-1")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("shop.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    key_file.chmod(0o600)
    return certificate_file, key_file


def lan_settings(certificate: Path, key: Path) -> dict[str, Any]:
    return {
        "lan_host": "127.0.0.1",
        "lan_port": free_port(),
        "lan_certificate_file": str(certificate),
        "lan_key_file": str(key),
    }


@pytest.fixture
async def lan_world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data", api=lan_settings(*make_certificate(tmp_path))) as opened:
        yield opened


def lan_client(world: World, token: str = "", **tls: Any) -> CheckedClient:
    context = ssl.create_default_context(cafile=world.settings.api.lan_certificate_file)
    for key, value in tls.items():
        setattr(context, key, value)
    return world.lan(aiohttp.TCPConnector(ssl=context), token)


async def states(world: World) -> dict[str, dict[str, Any]]:
    status = (await world.local().get("/v1/status")).json
    assert tuple(state["kind"] for state in status["listeners"]) == LISTENERS
    return {state["kind"]: state for state in status["listeners"]}


async def test_by_default_only_the_socket_listens(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        assert world.api.addresses == [str(world.folder.socket)]
        assert {kind: state["state"] for kind, state in (await states(world)).items()} == {
            "unix": "listening",
            "loopback": "off",
            "lan": "off",
        }


@pytest.mark.case("I7")
async def test_the_socket_file_is_for_owner_and_group_and_goes_with_the_agent(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        assert stat.S_IMODE(world.folder.socket.stat().st_mode) == 0o660
    assert not world.folder.socket.exists()


async def test_a_socket_file_that_a_dead_agent_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run" / "agent.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with open_world(tmp_path) as world:
        assert (await world.local().get("/livez")).status == 200


async def test_a_socket_on_which_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run" / "agent.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(ListenerFailed, match="another agent listens"):
            async with open_world(tmp_path):
                pass
        assert path.exists()


async def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "run" / "agent.sock"
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(ListenerFailed, match="is no socket"):
        async with open_world(tmp_path):
            pass
    assert path.read_text() == "mine"


async def test_a_taken_port_closes_that_listener_only_and_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with open_world(tmp_path, api={"tcp_port": taken.getsockname()[1]}) as world:
            loopback = (await states(world))["loopback"]
            assert loopback["state"] == "failed"
            assert "is in use by another program" in loopback["problem"]
            assert (await world.local().get("/v1/status")).json["problems"] == [
                f"loopback listener: {loopback['problem']}"
            ]
            assert (await world.local().post("/v1/events", scan())).status == 201


@pytest.mark.case("I7")
async def test_loopback_tcp_listens_on_loopback_only(world: World) -> None:
    (tcp,) = [address for address in world.api.addresses if address.startswith("http:")]
    assert tcp == f"http://127.0.0.1:{world.settings.api.tcp_port}"


@pytest.mark.case("I7")
async def test_the_lan_wants_tls_and_a_token(lan_world: World) -> None:
    token = lan_world.producers.add("till-3")
    assert (await lan_client(lan_world, token).post("/v1/events", scan())).status == 201
    for path in ("/v1/status", "/metrics"):
        assert (await lan_client(lan_world).get(path)).status == 401
    assert (await lan_client(lan_world).get("/livez")).status == 200
    assert (await lan_client(lan_world, token).post("/v1/catalogue", b"")).kind == "local_only"


async def test_plain_http_is_not_answered_on_the_lan(lan_world: World) -> None:
    address = lan_world.api.addresses[-1].replace("https", "http")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(address + "/livez")


@pytest.mark.case("I7")
@pytest.mark.parametrize(
    ("host", "status"), [("shop.example", 200), ("SHOP.example:8443", 200), ("192.0.2.7", 200), ("evil.example", 403)]
)
async def test_the_lan_knows_its_names(lan_world: World, host: str, status: int) -> None:
    reply = await lan_client(lan_world).get("/livez", headers={"Host": host})
    assert reply.status == status


@pytest.mark.case("I7")
async def test_pages_are_kept_out_of_the_lan_too(lan_world: World) -> None:
    assert (await lan_client(lan_world).get("/livez", headers={"Origin": "https://shop.example"})).kind == "browser"


async def test_tls_is_1_2_at_least(lan_world: World) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = lan_client(lan_world, minimum_version=version, maximum_version=version)
        assert (await client.get("/livez")).status == 200
    # A ClientHello of TLS 1.1 by hand: OpenSSL would not even send one.
    hello = bytes.fromhex("16030100330100002f0302" + "00" * 32 + "000008c013c014002f00350100")
    with socket.create_connection(("127.0.0.1", lan_world.settings.api.lan_port), timeout=5) as old:
        old.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(old, hello)
        answer = await loop.sock_recv(old, 100)
    assert answer[:1] in (b"", b"\x15"), "no ServerHello: the connection ends, maybe with an alert (RFC 5246, 7.2)"


async def refused_lan(tmp_path: Path, **changes: Any) -> str:
    """What the status says of a LAN listener with these changes to good settings."""
    settings = {**lan_settings(*make_certificate(tmp_path)), **changes}
    async with open_world(tmp_path / "data", api=settings) as world:
        lan = (await states(world))["lan"]
        assert lan["state"] == "failed"
        assert isinstance(lan["problem"], str)
        return lan["problem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
async def test_a_key_that_others_can_read_keeps_the_lan_closed(tmp_path: Path, mode: int) -> None:
    _, key = make_certificate(tmp_path, "open")
    await asyncio.to_thread(key.chmod, mode)
    assert f"mode {mode:o}" in await refused_lan(tmp_path, lan_key_file=str(key))


async def test_a_missing_or_foreign_key_keeps_the_lan_closed(tmp_path: Path) -> None:
    assert "cannot read" in await refused_lan(tmp_path, lan_key_file=str(tmp_path / "none.key"))
    _, foreign = make_certificate(tmp_path, "other")
    assert "do not serve" in await refused_lan(tmp_path, lan_key_file=str(foreign))
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    assert "do not serve" in await refused_lan(tmp_path, lan_certificate_file=str(garbage))
