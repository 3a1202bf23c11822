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

from agent.link.certificate_dates import DATES_DO_NOT_FIT, date_words, without_verification
from agent.link.errors import BrokerUnreachable, LinkMisconfigured
from agent.settings import is_loopback

__all__ = ["Endpoint", "dial", "tls_context"]

ADDRESSES_MAX: Final = 8  # a name with more addresses is not a broker's

_Address = tuple[socket.AddressFamily, Any]  # Any: the shape of a socket address depends on its family


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect to; without a TLS context in plaintext."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """A client context, TLS 1.2 or newer, host name checked; trusts the system, or only `ca_file` (PEM).

    Raises:
        LinkMisconfigured: `ca_file` cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        problem = "no PEM certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise LinkMisconfigured(f"CA file {ca_file}: {problem}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


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
    try:
        async with asyncio.timeout(timeout_s):
            addresses = await _addresses(endpoint)
            raw = await _connect(endpoint, addresses, timeout_s / len(addresses))
            if endpoint.tls is None:
                return raw
            try:
                return await _handshake(raw, endpoint, endpoint.tls)
            except _WrongDates as wrong:
                raw = await _connect(endpoint, addresses, timeout_s / len(addresses))
                with await _handshake(raw, endpoint, without_verification()) as tls:
                    raise BrokerUnreachable(f"{wrong}: {date_words(tls)}".removesuffix(": ")) from wrong
    except TimeoutError:
        raise BrokerUnreachable(
            f"no answer from {endpoint} within {timeout_s:g} s: wrong port, or a firewall in between?"
        ) from None


class _WrongDates(BrokerUnreachable):
    """The certificate is not of now, or the clock is not."""


async def _addresses(endpoint: Endpoint) -> list[_Address]:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        try:
            found = await _look_up(endpoint.host, endpoint.port)
        except (OSError, ValueError) as error:
            raise BrokerUnreachable(
                f"no address found for {endpoint.host}: wrong name, or no DNS? ({error})"
            ) from error
    return [(family, address) for family, _, _, _, address in found[:ADDRESSES_MAX]]


async def _look_up(host: str, port: int) -> list[Any]:  # Any: what getaddrinfo returns
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


async def _connect(endpoint: Endpoint, addresses: list[_Address], each_s: float) -> socket.socket:
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
    except (OSError, ValueError) as error:
        (tls or raw).close()
        wrong_dates = getattr(error, "verify_code", 0) in DATES_DO_NOT_FIT
        raise (_WrongDates if wrong_dates else BrokerUnreachable)(_tls_words(endpoint, error)) from error
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
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {endpoint} is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with {endpoint}: {error.reason or error} (is this the TLS port?)"
    return f"{endpoint} closed the connection during the TLS handshake: is this the TLS port?"
