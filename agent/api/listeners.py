"""The three ways in: the Unix socket, which must work, and two TCP listeners, whose failure closes only themselves."""

import asyncio
import errno
import os
import socket
import ssl
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography import x509

from agent.api.caller import ListenerKind
from agent.api.connections import ACCEPTS_AT_A_TIME, LOCAL_RESERVE, TCP_RESERVE, connections_of
from agent.api.device_status import ListenerState, ListenerStatus
from agent.errors import EnvironmentFault
from agent.settings import ApiSettings

__all__ = ["ListenerFailed", "Listeners", "lan_names"]

BACKLOG: Final = 1_024  # asyncio takes a Unix connect that finds it full for a success, and fails on the first write
SOCKET_MODE: Final = 0o660
TLS_HANDSHAKE_TIMEOUT_S: Final = 10.0
LOOPBACK: Final = "127.0.0.1"


class ListenerFailed(EnvironmentFault):
    """A listener that cannot be opened; `str()` says why and what to do."""


class Listeners:
    """Opens what the settings ask for, and knows how each one stands."""

    def __init__(self, settings: ApiSettings, socket_path: Path) -> None:
        self._settings = settings
        self._socket_path = socket_path
        self._servers: list[asyncio.Server] = []
        self._states = {
            ListenerKind.UNIX: ListenerStatus(
                kind=ListenerKind.UNIX, state=ListenerState.OFF, address=str(socket_path)
            ),
            ListenerKind.LOOPBACK: ListenerStatus(
                kind=ListenerKind.LOOPBACK,
                state=ListenerState.OFF,
                address=f"http://{LOOPBACK}:{settings.tcp_port}" if settings.tcp_port else "",
            ),
            ListenerKind.LAN: ListenerStatus(
                kind=ListenerKind.LAN, state=ListenerState.OFF, address=_lan_address(settings)
            ),
        }

    @property
    def states(self) -> list[ListenerStatus]:
        """How each listener stands."""
        return list(self._states.values())

    async def open(self, server: web.Server) -> None:
        """Open all that are configured; a TCP listener that fails is noted, not raised.

        Raises:
            ListenerFailed: when the Unix socket cannot be opened.
        """
        await self._listen(ListenerKind.UNIX, server)
        if self._settings.tcp_port:
            await self._try(ListenerKind.LOOPBACK, server)
        if self._settings.lan_host:
            await self._try(ListenerKind.LAN, server)

    def close(self) -> None:
        """Take no more connections, and take the socket file away; the open connections are the server's."""
        for listening in self._servers:
            listening.close()
        self._socket_path.unlink(missing_ok=True)

    async def _try(self, kind: ListenerKind, server: web.Server) -> None:
        try:
            await self._listen(kind, server)
        except (OSError, ListenerFailed) as error:
            self._note(kind, problem=_in_words(error, self._states[kind].address))

    async def _listen(self, kind: ListenerKind, server: web.Server) -> None:
        loop, settings = asyncio.get_running_loop(), self._settings
        make = connections_of(server, LOCAL_RESERVE if kind is ListenerKind.UNIX else TCP_RESERVE)
        at_a_time = ACCEPTS_AT_A_TIME  # asyncio's `backlog` is also how many connections it accepts in one go
        match kind:
            case ListenerKind.UNIX:
                opened = await loop.create_unix_server(make, sock=_bind_unix(self._socket_path), backlog=at_a_time)
            case ListenerKind.LOOPBACK:
                opened = await loop.create_server(make, LOOPBACK, settings.tcp_port, backlog=at_a_time)
            case ListenerKind.LAN:
                opened = await loop.create_server(
                    make,
                    settings.lan_host,
                    settings.lan_port,
                    ssl=_tls_context(settings),
                    ssl_handshake_timeout=TLS_HANDSHAKE_TIMEOUT_S,
                    backlog=at_a_time,
                )
        for listening in opened.sockets:
            with socket.socket(fileno=os.dup(listening.fileno())) as same:
                same.listen(BACKLOG)
        self._servers.append(opened)
        self._note(kind)

    def _note(self, kind: ListenerKind, problem: str = "") -> None:
        state = ListenerState.FAILED if problem else ListenerState.LISTENING
        self._states[kind] = self._states[kind].model_copy(update={"state": state, "problem": problem})


def lan_names(settings: ApiSettings) -> Collection[str]:
    """The host names under which the LAN may call: the configured one, and those of the certificate."""
    names = {settings.lan_host.lower()}
    try:
        certificate = x509.load_pem_x509_certificate(Path(settings.lan_certificate_file).read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names |= {name.lower() for name in found.value.get_values_for_type(x509.DNSName)}
    except (OSError, ValueError, x509.ExtensionNotFound):
        pass  # a certificate that cannot be read keeps the listener closed, with its reason
    return names


def _bind_unix(path: Path) -> socket.socket:
    """A bound socket file that its group may use; one that a dead agent left is taken away first."""
    _remove_stale(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o777 & ~SOCKET_MODE)  # from its first moment, not from a chmod after it
        try:
            opened.bind(str(path))
        finally:
            os.umask(before)
        path.chmod(SOCKET_MODE)  # also where the folder has a default ACL, which makes umask(2) count for nothing
    except OSError as error:
        opened.close()
        raise ListenerFailed(f"cannot listen on {path}: {error.strerror or error}") from error
    return opened


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenerFailed(f"{path} is there and is no socket: move it away")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise ListenerFailed(f"cannot tell whether somebody listens on {path}: {error.strerror}") from error
    raise ListenerFailed(f"another agent listens on {path}: stop it first, or choose another folder with --data")


def _tls_context(settings: ApiSettings) -> ssl.SSLContext:
    certificate, key = Path(settings.lan_certificate_file), Path(settings.lan_key_file)
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o077:
        raise ListenerFailed(f"{key} can be read by others (mode {mode:o}): chmod 600 {key}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        reason = error.reason or "not PEM"
        raise ListenerFailed(f"{certificate} and {key} do not serve as certificate and key: {reason}") from error
    return context


def _no_password() -> str:
    """OpenSSL would ask on the terminal otherwise."""
    return ""


def _lan_address(settings: ApiSettings) -> str:
    if not settings.lan_host:
        return ""
    host = f"[{settings.lan_host}]" if ":" in settings.lan_host else settings.lan_host
    return f"https://{host}:{settings.lan_port}"


def _in_words(error: OSError | ListenerFailed, address: str) -> str:
    if isinstance(error, ListenerFailed):
        return str(error)
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use by another program: choose another port in section [api]"
    if error.filename:
        return f"cannot read {error.filename}: {error.strerror}"
    return f"cannot listen on {address}: {error.strerror or error}"
