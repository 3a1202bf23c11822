"""Both sides' certificates against a real mosquitto with the sample configuration, seen from a link's status."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.link import LinkState
from tests.link.certificates import Authority, Server
from tests.link.device import SALE, Device, device
from tests.link.peers import server_context, serving, until
from tests.link.sample_broker import link_settings, sample_broker


@asynccontextmanager
async def refused_device(folder: Path, port: int, **settings: Any) -> AsyncIterator[Device]:  # Any: link settings
    """A device that says why it is not let in, and goes on storing."""
    async with device(folder, port, **settings) as one:
        await until(lambda: bool(one.link.status().reason))
        assert one.link.status().state is not LinkState.ONLINE
        await one.append(SALE, 5)
        assert one.waiting() == 5
        yield one


async def told(one: Device, says: str) -> None:
    await until(lambda: says in one.link.status().reason)


@pytest.mark.case("I2")
async def test_a_device_delivers_with_its_certificate_and_with_a_renewed_one_after_the_old_one_expired(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    expired, renewed = authority.device(days=-1), authority.device()
    async with (
        sample_broker(tmp_path / "broker", authority) as broker,
        refused_device(tmp_path, broker.port, **link_settings(authority, expired)) as one,
    ):
        await told(one, "has expired")
        assert one.link.status().state is LinkState.OFFLINE
        renewed.key.replace(expired.key)
        renewed.certificate.replace(expired.certificate)
        await one.delivered()


@pytest.mark.case("I3")
async def test_a_key_open_to_others_stops_the_network_and_not_the_log(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    mine = authority.device()
    mine.key.chmod(0o644)
    async with (
        sample_broker(tmp_path / "broker", authority) as broker,
        refused_device(tmp_path, broker.port, **link_settings(authority, mine)) as one,
    ):
        assert one.link.status().state is LinkState.REFUSED
        assert f"chmod 600 {mine.key}" in one.link.status().reason
        mine.key.chmod(0o600)
        await one.delivered()


@pytest.mark.case("I4")
async def test_with_another_devices_certificate_nothing_is_connected_to(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    connections: list[object] = []

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    other = authority.device("store-1/box-2")
    async with (
        serving(count) as port,
        refused_device(tmp_path, port, **link_settings(authority, other)) as one,
    ):
        assert one.link.status().state is LinkState.REFUSED
        assert "'store-1/box-2', but this device is 'store-1/box-1'" in one.link.status().reason
        assert connections == []


async def test_what_the_broker_has_against_a_certificate_is_told(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "another authority")
    withdrawn = authority.device()
    crl = authority.withdrawn(withdrawn)
    async with sample_broker(tmp_path / "broker", authority, crlfile=crl) as broker:
        for given, says in (
            (link_settings(authority, stranger.device()), "does not know the authority that issued this device's"),
            (link_settings(authority, withdrawn), "certificate was withdrawn"),
            ({"tls": True, "ca_file": str(authority.file)}, "wants a certificate of this device"),
        ):
            async with device(tmp_path, broker.port, **given) as one:
                # TCP may drop the broker's last word when it closes on what we have sent: then another try tells.
                await told(one, says)


@pytest.mark.case("I1")
@pytest.mark.parametrize(
    ("made", "says"),
    [
        ("expired", "certificate has expired: device clock is "),
        ("not yet valid", "certificate is not yet valid: device clock is "),
        ("wrong host", "it is for portal.example: is link.host right"),
        ("wrong authority", "it was issued by CN=another authority, which is not trusted here"),
        ("self-signed", "nobody vouches for it: if it is yours, name it in link.ca_file"),
        ("withdrawn", "CN=test authority has withdrawn it: the broker needs a new one"),
    ],
)
async def test_a_broker_with_a_certificate_that_does_not_hold_gets_nothing_and_the_reason_is_told(
    tmp_path: Path, made: str, says: str
) -> None:
    authority = Authority(tmp_path)
    server = made_server(made, authority, tmp_path)
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read())

    crl = authority.withdrawn(server) if made == "withdrawn" else authority.withdrawn()
    given = {"tls": True, "ca_file": str(authority.file), "crl_file": str(crl)}
    async with (
        serving(listen, server_context(server)) as port,
        refused_device(tmp_path, port, **given) as one,
    ):
        reason = one.link.status().reason
        assert reason.startswith(f"the certificate of 127.0.0.1:{port} is not trusted: ")
        assert says in reason
        assert one.link.status().state is LinkState.OFFLINE
    assert heard == b""


def made_server(made: str, authority: Authority, folder: Path) -> Server:
    match made:
        case "expired":
            return authority.server(days=-1)
        case "not yet valid":
            return authority.server(days=20, from_days=10)
        case "wrong host":
            return authority.server("portal.example")
        case "wrong authority":
            return Authority(folder, "another authority").server()
        case "self-signed":
            return Authority(folder, "itself").alone()
        case _:
            return authority.server()


@pytest.mark.case("I1")
async def test_without_a_current_revocation_list_no_certificate_holds(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "another authority")
    async with serving(say_nothing, server_context(authority.server())) as port:
        for crl, says in (
            (authority.withdrawn(days=-1), "link.crl_file is not of now"),
            (
                other.withdrawn(),
                "link.crl_file holds no list of each authority above it (the last is CN=test authority)",
            ),
        ):
            given = {"tls": True, "ca_file": str(authority.file), "crl_file": str(crl)}
            async with device(tmp_path, port, **given) as one:
                await told(one, says)


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()
