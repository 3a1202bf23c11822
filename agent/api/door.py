"""Lets callers in or turns them away, before a body is read: peer, Host, Origin, token, declared types.

Browsers are kept out of the TCP listeners, since any page could make one call us: a request with an `Origin` is
refused, and so is a `Host` that is not one of our names (DNS rebinding).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from aiohttp import web

from agent.api.caller import Caller, ListenerKind
from agent.api.peer import Peer, is_welcome
from agent.api.refusal import Refusal
from agent.api.route import KEY_PATTERN, Access, Route
from agent.errors import Problem
from agent.producers import AGENT_PRODUCER, Producer, ProducerRegistry, ProducersUnreadable

__all__ = ["PRODUCER_HEADER", "Door"]

PRODUCER_HEADER: Final = "Storeforward-Producer"
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PRODUCER_NAME: Final = re.compile(r"[A-Za-z0-9.:-][A-Za-z0-9._:-]{0,63}")  # one topic level
_KEY: Final = re.compile(KEY_PATTERN)
_PORT: Final = re.compile(r":\d{1,5}$")


@dataclass(frozen=True, slots=True)
class Door:
    """Admission for all listeners. `lan_names` are the host names under which the LAN may call."""

    producers: ProducerRegistry
    socket_file: Path
    lan_names: Collection[str]

    def admit(self, request: web.Request, route: Route) -> Caller:
        """The caller, when it may use this route.

        Raises:
            Refusal: 401 or 403, or 400 for a path that no event could name.
            EnvironmentFault: when the file of producers cannot be read.
        """
        listener = _listener_of(request)
        if listener is ListenerKind.UNIX:
            caller = self._local_caller(request)
        else:
            self._check_browser(request, listener)
            caller = self._remote_caller(request, listener, route)
        _check_allowed(caller, route)
        _check_path(request)
        return caller

    def _local_caller(self, request: web.Request) -> Caller:
        connection = request.get_extra_info("socket")
        if connection is None:  # gone already
            raise Refusal(403, "gone", "the connection is closed")
        if not is_welcome(Peer.of(connection), self.socket_file):
            raise Refusal(403, "stranger", "this user is not in the group of the agent's socket")
        name = request.headers.get(PRODUCER_HEADER)
        if name is None:
            return Caller(ListenerKind.UNIX)
        if not _PRODUCER_NAME.fullmatch(name) or name == AGENT_PRODUCER:
            expected = "1 to 64 letters, digits or . : - _ (_ not first), and not the agent's own name"
            raise Refusal(
                403, "producer_name", "not a producer's name", Problem(PRODUCER_HEADER, "another form", expected)
            )
        return Caller(ListenerKind.UNIX, name, self._registered(name))

    def _registered(self, name: str) -> Producer | None:
        """A registered producer keeps to its declared types on the socket as well."""
        try:
            return next((producer for producer in self.producers.list() if producer.name == name), None)
        except ProducersUnreadable:
            return None  # capture on this machine goes on: its callers are trusted by their user

    def _check_browser(self, request: web.Request, listener: ListenerKind) -> None:
        if "Origin" in request.headers:
            raise Refusal(403, "browser", "calls from web pages are not served")
        host = _PORT.sub("", request.headers.get("Host", "")).lower()
        known = host in _LOOPBACK_NAMES if listener is ListenerKind.LOOPBACK else self._is_lan_name(host)
        if not known:
            raise Refusal(403, "host", "the Host header names another machine")

    def _is_lan_name(self, host: str) -> bool:
        if host in self.lan_names:
            return True
        try:
            ip_address(host.strip("[]"))  # no name, so no DNS to rebind
        except ValueError:
            return False
        return True

    def _remote_caller(self, request: web.Request, listener: ListenerKind, route: Route) -> Caller:
        if route.access is Access.LOCAL:
            raise Refusal(403, "local_only", "only served on the agent's Unix socket")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token:
            if route.access is Access.ANYONE or (route.access is Access.MACHINE and listener is ListenerKind.LOOPBACK):
                return Caller(listener)
            raise Refusal(
                401, "no_token", "no token; send Authorization: Bearer TOKEN (storeforward producer add NAME)"
            )
        producer = self.producers.authenticate(token.strip()) if scheme.lower() == "bearer" else None
        if producer is None:
            raise Refusal(401, "unknown_token", "this token is not, or no longer, known here")
        return Caller(listener, producer.name, producer)


def _listener_of(request: web.Request) -> ListenerKind:
    if request.get_extra_info("sslcontext") is not None:
        return ListenerKind.LAN
    return ListenerKind.LOOPBACK if isinstance(request.get_extra_info("sockname"), tuple) else ListenerKind.UNIX


def _check_allowed(caller: Caller, route: Route) -> None:
    if route.needs and not any(caller.may_write(type_name) for type_name in route.needs):
        wanted = " or ".join(route.needs)
        raise Refusal(403, "not_its_job", f"only for producers of {wanted}")


def _check_path(request: web.Request) -> None:
    problems = [
        Problem(name, "not an id", "1 to 80 letters, digits or . : @ _ -")
        for name, value in request.match_info.items()
        if not _KEY.fullmatch(value)
    ]
    if problems:
        raise Refusal(400, "path", "the path names something that no event can name", *problems)
