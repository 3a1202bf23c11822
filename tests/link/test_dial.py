"""Dialling: connected or told why not, without ever blocking the event loop."""

import asyncio
import errno
import os
import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.link.dial import Endpoint, _tcp_words, dial, tls_context
from agent.link.errors import BrokerUnreachable, LinkMisconfigured
from tests.link.certificates import Authority
from tests.link.peers import server_context, serving


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()
    await reader.read()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def closed_port() -> socket.socket:
    """A bound port on which nobody listens."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_or_a_name_is_connected_to(host: str) -> None:
    async with serving(greet) as port:
        with await dial(Endpoint(host, port), 5) as sock:
            assert not sock.getblocking()
            assert await asyncio.get_running_loop().sock_recv(sock, 5) == b"hello"


@pytest.mark.case("I5")
@pytest.mark.parametrize("host", ["192.0.2.1", "mqtt.example.com", "localhost.example.com", "::2"])
async def test_plaintext_goes_to_this_machine_only(host: str) -> None:
    with pytest.raises(LinkMisconfigured, match="TLS is off"):
        await dial(Endpoint(host, 1883), 5)


async def test_a_closed_port_is_told_as_such() -> None:
    with closed_port() as bound:
        port = bound.getsockname()[1]
        with pytest.raises(BrokerUnreachable) as failed:
            await dial(Endpoint("127.0.0.1", port), 5)
    assert str(failed.value) == f"connection refused by 127.0.0.1:{port}: is the broker running?"


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b", "nul\x00byte"])
async def test_a_name_that_is_none_is_told_as_such(host: str) -> None:
    with pytest.raises(BrokerUnreachable, match="no address found"):
        await dial(Endpoint(host, 8883, tls_context()), 5)


async def test_ipv6_addresses_are_written_in_brackets() -> None:
    assert str(Endpoint("::1", 1883)) == "[::1]:1883"


async def test_silence_ends_with_the_time_out_and_does_not_block_the_loop(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    async with serving(say_nothing) as port:
        with pytest.raises(BrokerUnreachable, match=r"within 0\.3 s"):
            await dial(Endpoint("127.0.0.1", port, tls_context(str(authority.file))), 0.3)
    ticking.cancel()
    assert ticks >= 5


async def test_cancelling_leaves_no_socket_behind() -> None:
    async with serving(say_nothing) as port:
        dialling = asyncio.create_task(dial(Endpoint("127.0.0.1", port, tls_context()), 30))
        await asyncio.sleep(0)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENETUNREACH, "is the network up?"),
        (errno.EHOSTUNREACH, "is the network up?"),
        (errno.ETIMEDOUT, "Connection timed out"),
    ],
)
def test_other_faults_of_the_network_have_words_of_their_own(number: int, says: str) -> None:
    words = _tcp_words(Endpoint("127.0.0.1", 1883), OSError(number, os.strerror(number)))
    assert "127.0.0.1:1883" in words
    assert says in words


# --- TLS -------------------------------------------------------------------------------------------------------


async def test_a_trusted_certificate_for_the_right_name_is_accepted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    for name, host in (("127.0.0.1", "127.0.0.1"), ("localhost", "localhost")):
        async with serving(greet, server_context(authority.server(name))) as port:
            with await dial(Endpoint(host, port, tls_context(str(authority.file))), 5) as sock:
                assert isinstance(sock, ssl.SSLSocket)
                assert sock.version() == "TLSv1.3"


async def test_tls_1_2_is_still_accepted_and_1_1_is_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.server()
    context = tls_context(str(authority.file))
    async with serving(greet, server_context(server, ssl.TLSVersion.TLSv1_2)) as port:
        with await dial(Endpoint("127.0.0.1", port, context), 5) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            assert sock.version() == "TLSv1.2"
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.case("I1")
@pytest.mark.parametrize(
    ("name", "days", "authority", "says"),
    [
        ("127.0.0.1", 2, "another authority", "is not trusted"),
        ("localhost", 2, "test authority", "not valid for '127.0.0.1'"),
        ("127.0.0.1", -1, "test authority", "expired"),
    ],
)
async def test_any_other_certificate_is_refused_with_the_reason(
    tmp_path: Path, name: str, days: int, authority: str, says: str
) -> None:
    trusted = Authority(tmp_path)
    signer = trusted if authority == "test authority" else Authority(tmp_path, authority)
    async with serving(greet, server_context(signer.server(name, days=days))) as port:
        with pytest.raises(BrokerUnreachable, match="certificate of") as failed:
            await dial(Endpoint("127.0.0.1", port, tls_context(str(trusted.file))), 5)
    assert says in str(failed.value)


@pytest.mark.case("C4")
@pytest.mark.parametrize(("from_days", "days", "says"), [(400, 500, "valid from"), (-10, -5, "valid until")])
async def test_a_certificate_of_another_time_is_told_with_its_date_and_the_clocks(
    tmp_path: Path, from_days: int, days: int, says: str
) -> None:
    authority = Authority(tmp_path)
    now = datetime.now(UTC)
    date = (now + timedelta(days=from_days if says == "valid from" else days)).date()
    async with serving(greet, server_context(authority.server(days=days, from_days=from_days))) as port:
        with pytest.raises(BrokerUnreachable) as failed:
            await dial(Endpoint("127.0.0.1", port, tls_context(str(authority.file))), 5)
    assert f"device clock is {now.date()}; certificate {says} {date}" in str(failed.value)


@pytest.mark.case("I1")
async def test_a_refused_certificate_that_is_not_shown_twice_is_told_all_the_same(tmp_path: Path) -> None:
    context = server_context(Authority(tmp_path, "another authority").server())
    connections = 0

    async def show_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            with suppress(ssl.SSLError):
                await writer.start_tls(context)
        await say_nothing(reader, writer)

    async with serving(show_once) as port:
        with pytest.raises(BrokerUnreachable, match=r"is not trusted: unable to get local issuer certificate$"):
            await dial(Endpoint("127.0.0.1", port, tls_context(str(Authority(tmp_path).file))), 0.5)
    assert connections == 2


@pytest.mark.case("N12")
async def test_the_server_name_is_sent_so_that_a_router_on_port_443_can_choose_by_it(tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = server_context(Authority(tmp_path).server("localhost"))
    context.sni_callback = lambda _tls, name, _context: asked.append(name)
    async with serving(greet, context) as port:
        with await dial(Endpoint("localhost", port, tls_context(str(tmp_path / "test-authority.pem"))), 5) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            assert sock.selected_alpn_protocol() is None
    assert asked == ["localhost"]


@pytest.mark.case("I1")
async def test_the_system_trusts_no_authority_of_ours(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(greet, server_context(authority.server())) as port:
        with pytest.raises(BrokerUnreachable, match="is not trusted"):
            await dial(Endpoint("127.0.0.1", port, tls_context()), 5)


async def test_a_port_without_tls_is_told_as_such(tmp_path: Path) -> None:
    async with serving(greet) as port:
        with pytest.raises(BrokerUnreachable, match="is this the TLS port"):
            await dial(Endpoint("127.0.0.1", port, tls_context(str(Authority(tmp_path).file))), 5)


async def test_a_connection_that_closes_in_the_handshake_is_told_as_such(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serving(hang_up) as port:
        with pytest.raises(BrokerUnreachable, match="TLS"):
            await dial(Endpoint("127.0.0.1", port, tls_context(str(Authority(tmp_path).file))), 5)


def test_an_unusable_ca_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(LinkMisconfigured, match=r"missing\.pem: No such file"):
        tls_context(str(tmp_path / "missing.pem"))
    (tmp_path / "empty.pem").write_text("not a certificate")
    with pytest.raises(LinkMisconfigured, match=r"empty\.pem: no PEM certificate"):
        tls_context(str(tmp_path / "empty.pem"))
