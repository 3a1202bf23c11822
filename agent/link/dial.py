"""Opens a TCP or TLS connection without blocking the event loop, and says in plain words what failed.

It knows no MQTT. Plaintext goes to loopback only.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final

from agent.link.errors import BrokerUnreachable, LinkMisconfigured
from agent.link.server_certificate import ServerCertificate, refusal_words, without_verification
from agent.link.tls_alert import alert_words
from agent.settings import is_loopback

__all__ = ["Address", "Endpoint", "connect", "dial", "look_up", "tls_context"]

ADDRESSES_MAX: Final = 8  # a name with more addresses is not a broker's

Address = tuple[socket.AddressFamily, Any]  # Any: the shape of a socket address depends on its family


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect to; without a TLS context in plaintext."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def tls_context(ca_file: str = "", crl_file: str = "") -> ssl.SSLContext:
    """A client context, TLS 1.2 or newer, host name checked; trusts the system, or only `ca_file` (PEM).

    With `crl_file` (PEM), each certificate of a chain is looked up in its authority's list of withdrawn ones.

    Raises:
        LinkMisconfigured: one of the files cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        problem = "no PEM certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise LinkMisconfigured(f"CA file {ca_file}: {problem}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if crl_file:
        _take_revocations(context, crl_file)
    return context


def _take_revocations(context: ssl.SSLContext, crl_file: str) -> None:
    try:
        context.load_verify_locations(cafile=crl_file)
    except OSError as error:
        problem = "no PEM revocation list in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise LinkMisconfigured(f"revocation list {crl_file}: {problem}") from error
    if not context.cert_store_stats()["crl"]:
        raise LinkMisconfigured(f"revocation list {crl_file}: no PEM revocation list in it")
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN


async def dial(endpoint: Endpoint, timeout_s: float) -> socket.socket:
    """A connected, non-blocking socket (an `SSLSocket` after its handshake with TLS); the addresses are tried in turn.

    Raises:
        LinkMisconfigured: plaintext to another machine.
        BrokerUnreachable: anything that fails on the way, in plain words.
    """
    if endpoint.tls is None and not is_loopback(endpoint.host):
        raise LinkMisconfigured(
            f"{endpoint} is another machine and TLS is off: set tls = true (plaintext goes to this machine only)"
        )
    refusal: _NotTrusted | None = None
    words = ""
    try:
        async with asyncio.timeout(timeout_s):
            addresses = await look_up(endpoint)
            raw = await connect(endpoint, addresses, timeout_s / len(addresses))
            if endpoint.tls is None:
                return raw
            try:
                return await _handshake(raw, endpoint, endpoint.tls)
            except _NotTrusted as refused:
                refusal = refused
                words = await _look_again(endpoint, addresses, refused.verify_code, timeout_s / len(addresses))
    except TimeoutError:
        if refusal is None:
            raise BrokerUnreachable(
                f"no answer from {endpoint} within {timeout_s:g} s: wrong port, or a firewall in between?"
            ) from None
    raise BrokerUnreachable(f"{refusal}: {words}".removesuffix(": ")) from refusal


class _NotTrusted(BrokerUnreachable):
    """The certificate was not accepted; `verify_code` is OpenSSL's."""

    def __init__(self, endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> None:
        super().__init__(f"the certificate of {endpoint} is not trusted: {error.verify_message}")
        self.verify_code = error.verify_code


async def _look_again(endpoint: Endpoint, addresses: list[Address], verify_code: int, each_s: float) -> str:
    """What the refused certificate says of itself; empty when it does not come a second time."""
    try:
        raw = await connect(endpoint, addresses, each_s)
        with await _handshake(raw, endpoint, without_verification()) as tls:
            seen = ServerCertificate.of(tls)
    except (BrokerUnreachable, TimeoutError):
        return ""
    return refusal_words(verify_code, seen) if seen else ""


async def look_up(endpoint: Endpoint) -> list[Address]:
    """The addresses behind the host name, in the system's order.

    Raises:
        BrokerUnreachable: there is none.
    """
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        try:
            found = await _ask_dns(endpoint.host, endpoint.port)
        except (OSError, ValueError) as error:
            raise BrokerUnreachable(
                f"no address found for {endpoint.host}: wrong name, or no DNS? ({error})"
            ) from error
    return [(family, address) for family, _, _, _, address in found[:ADDRESSES_MAX]]


async def _ask_dns(host: str, port: int) -> list[Any]:  # Any: what getaddrinfo returns
    """DNS in a thread that nobody joins: without a network it hangs for long, which must not hold up a stop."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()  # Any: as above

    def settle(found: list[Any] | OSError | ValueError) -> None:  # Any: as above
        if answer.done():
            return
        if isinstance(found, list):
            answer.set_result(found)
        else:
            answer.set_exception(found)

    def ask() -> None:
        found: list[Any] | OSError | ValueError  # Any: as above
        try:
            found = list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
            found = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, found)

    Thread(target=ask, name="broker address", daemon=True).start()
    return await answer


async def connect(endpoint: Endpoint, addresses: list[Address], each_s: float) -> socket.socket:
    """A non-blocking socket to the first address that answers within `each_s`.

    Raises:
        BrokerUnreachable: none does, and the last one said why.
        TimeoutError: none does, and the last one said nothing.
    """
    failure: OSError | None = None
    for family, address in addresses:
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            raw.setblocking(False)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(each_s):
                await asyncio.get_running_loop().sock_connect(raw, address)
        except OSError as error:  # TimeoutError is one
            raw.close()
            failure = error
        except BaseException:
            raw.close()
            raise
        else:
            return raw
    assert failure is not None
    if isinstance(failure, TimeoutError) and failure.errno is None:
        raise failure
    raise BrokerUnreachable(_tcp_words(endpoint, failure)) from failure


async def _handshake(raw: socket.socket, endpoint: Endpoint, context: ssl.SSLContext) -> ssl.SSLSocket:
    loop = asyncio.get_running_loop()
    tls: ssl.SSLSocket | None = None
    try:
        # Server name indication is always sent; the context checks the certificate against the same name.
        tls = context.wrap_socket(raw, server_hostname=endpoint.host, do_handshake_on_connect=False)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(tls, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(tls, loop.add_writer, loop.remove_writer)
            else:
                return tls
    except ssl.SSLCertVerificationError as error:
        (tls or raw).close()
        raise _NotTrusted(endpoint, error) from error
    except (OSError, ValueError) as error:
        (tls or raw).close()
        raise BrokerUnreachable(_tls_words(endpoint, error)) from error
    except BaseException:
        (tls or raw).close()
        raise


async def _ready(
    sock: socket.socket, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool]
) -> None:
    ready = asyncio.Event()
    add(sock.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        remove(sock.fileno())


def _tcp_words(endpoint: Endpoint, error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"connection refused by {endpoint}: is the broker running?"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"no route to {endpoint}: is the network up?"
    return f"no connection to {endpoint}: {error.strerror or error}"


def _tls_words(endpoint: Endpoint, error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and (words := alert_words(error)):
        return f"{endpoint} {words}"
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return (
            f"no TLS with {endpoint}, it answers something else: is this the TLS port, "
            "or does a captive portal or proxy answer in its place?"
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return f"no TLS with {endpoint}: {error.reason or error} (is this the TLS port?)"
    return f"{endpoint} closed the connection during the TLS handshake: is this the TLS port, or is a proxy in between?"
