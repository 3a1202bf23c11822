"""A real agent's parts around a real API, and a client that holds every answer against the OpenAPI document."""

import json
import re
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from agent.api import LocalApi
from agent.api.openapi import openapi_document
from agent.catalogue import Catalogue
from agent.clock import IdFactory, SystemClock
from agent.data_folder import DataFolder
from agent.decide import Decisions
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.fleet.fleet import Fleet
from agent.link import Link, Receipts
from agent.log import START, EventLog
from agent.packs import OfferBook, Packs, PackShelf
from agent.producers import ProducerRegistry
from agent.refused import RefusedBodies
from agent.settings import Settings
from agent.tills.baskets import BasketBoard
from agent.tills.pseudonyms import Pseudonyms
from agent.tills.till_requests import TillRequests
from agent.topics import DeviceName
from agent.upkeep.identity_watch import IdentityWatch
from agent.upkeep.machine_mark import MachineMark

Json = Any  # Any: what json.loads returns
_documents: list[Json] = []

SCAN: Final = {
    "till_id": "till-3",
    "basket_id": "b-1",
    "line": 1,
    "sku": "1082185",
    "quantity": "2",
    "actual_unit_price": "1.50",
    "currency": "EUR",
}


def scan(line: int = 1, **changes: Json) -> dict[str, Json]:
    """The short form of a scan event."""
    return {"type": "pos.scan.v1", "data": {**SCAN, "line": line, **changes}}


def free_port() -> int:
    """A loopback port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


@dataclass(frozen=True)
class Reply:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Json:
        return json.loads(self.body)

    @property
    def problems(self) -> list[tuple[str, str]]:
        return [(item["path"], item["problem"]) for item in self.json["problems"]]

    @property
    def kind(self) -> str:
        """The stable code of a problem document."""
        assert isinstance(self.json["type"], str)
        return self.json["type"].rpartition(":")[2]


class CheckedClient:
    """A caller of the API; an answer that the document does not know fails the test."""

    def __init__(self, session: aiohttp.ClientSession, base: str, document: Json, headers: Mapping[str, str]) -> None:
        self.session = session
        self.base = base
        self._document = document
        self._headers = headers

    async def get(self, path: str, *, checked: bool = True, **options: Json) -> Reply:
        return await self.call("GET", path, checked=checked, **options)

    async def post(self, path: str, value: Json = None, *, checked: bool = True, **options: Json) -> Reply:
        if value is not None:
            options["data"] = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return await self.call("POST", path, checked=checked, headers=headers, **options)

    async def call(self, method: str, path: str, *, checked: bool = True, **options: Json) -> Reply:
        headers = {**self._headers, **options.pop("headers", {})}
        async with self.session.request(method, self.base + path, headers=headers, **options) as response:
            reply = Reply(response.status, response.headers, await response.read())
        if checked:
            self.check(method, path, reply)
        return reply

    def check(self, method: str, path: str, reply: Reply) -> None:
        """The status, the media type and the body are documented."""
        operation = self._operation(method, path.partition("?")[0])
        assert str(reply.status) in operation["responses"], f"{method} {path} answered {reply.status}: {reply.body!r}"
        media_type = reply.headers["Content-Type"].partition(";")[0]
        content = operation["responses"][str(reply.status)]["content"]
        assert media_type in content, f"{method} {path} answered {media_type}"
        if media_type.endswith("json"):
            schema = {**content[media_type]["schema"], "components": self._document["components"]}
            Draft202012Validator(schema).validate(reply.json)

    def _operation(self, method: str, path: str) -> Json:
        for template, item in self._document["paths"].items():
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in item:
                return item[method.lower()]
        raise AssertionError(f"{method} {path} is not in the OpenAPI document")

    @asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncIterator["SseReader"]:
        """An open event stream."""
        wanted = {**self._headers, "Accept": "text/event-stream", **headers}
        async with self.session.get(self.base + path, headers=wanted) as response:
            assert response.status == 200, await response.text()
            assert response.headers["Content-Type"] == "text/event-stream"
            yield SseReader(response)


class SseReader:
    """Reads server-sent events as a browser does; comments are skipped."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.comments = 0

    async def next(self) -> dict[str, str]:
        """The fields of the next event.

        Raises:
            EOFError: at the end of the stream.
        """
        fields: dict[str, str] = {}
        while line := await self._response.content.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments += 1
            elif text:
                key, _, value = text.partition(": ")
                fields[key] = value
            elif fields:
                return fields
        raise EOFError


@dataclass
class World:
    """All parts of one agent that the API stands on. Make it with `open_world`."""

    folder: DataFolder
    settings: Settings
    log: EventLog
    link: Link
    decoder: EventDecoder
    baskets: BasketBoard
    till_requests: TillRequests
    catalogue: Catalogue
    packs: Packs
    producers: ProducerRegistry
    api: LocalApi
    receipts: list[Receipts] = field(default_factory=list)
    sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def document(self) -> Json:
        """The OpenAPI document, made once for all tests: no setting changes it."""
        if not _documents:
            _documents.append(json.loads(json.dumps(openapi_document(self.api.routes, "test"))))
        return _documents[0]

    def local(self, name: str | None = "till-3") -> CheckedClient:
        """A client on the Unix socket that calls itself `name`."""
        session = self._session(aiohttp.UnixConnector(str(self.folder.socket), limit=0))
        headers = {"Storeforward-Producer": name} if name else {}
        return CheckedClient(session, "http://localhost", self.document, headers)

    def remote(self, token: str = "", **headers: str) -> CheckedClient:
        """A client on loopback TCP."""
        base = f"http://127.0.0.1:{self.settings.api.tcp_port}"
        return CheckedClient(self._session(aiohttp.TCPConnector()), base, self.document, _bearer(token) | headers)

    def lan(self, connector: aiohttp.TCPConnector, token: str = "") -> CheckedClient:
        """A client on the LAN listener."""
        base = f"https://{self.settings.api.lan_host}:{self.settings.api.lan_port}"
        return CheckedClient(self._session(connector), base, self.document, _bearer(token))

    def stored(self, stream: Stream) -> list[Json]:
        """The events of a stream as they lie in the log."""
        found = self.log.read(stream, START, events_max=10_000, bytes_max=100_000_000)
        return [json.loads(event.body) for event in found]

    async def leave(self) -> None:
        """Close all clients."""
        for session in self.sessions:
            await session.close()

    def _session(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(connector=connector)
        self.sessions.append(session)
        return session


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@asynccontextmanager
async def open_world(
    path: Path, *, heartbeat_s: float = 15.0, fleet: Fleet | None = None, **sections: Mapping[str, Json]
) -> AsyncIterator[World]:
    """A running API over real parts in `path`."""
    settings = Settings.model_validate({"link": {"enabled": False}, **sections})
    clock = SystemClock()
    new_id = IdFactory(clock.wall, Random(secrets.randbits(64)))
    folder = DataFolder(path)
    folder.create()
    name = DeviceName(settings.site.id, settings.device.id)
    baskets = BasketBoard()
    producers = ProducerRegistry(folder.identity, wall=clock.wall, random_bytes=secrets.token_bytes)
    receipts: list[Receipts] = []
    async with AsyncExitStack() as closing:
        log = EventLog.open(folder.log, settings.log, clock=clock, new_id=new_id)
        closing.push_async_callback(log.close)
        log.add_listener(baskets.on_commit)
        catalogue = Catalogue.open(folder.decide / "model.sqlite")
        closing.callback(catalogue.close)
        decoder = EventDecoder(Origin(name), wall=clock.wall, new_id=new_id)
        decisions = Decisions.open(catalogue.file, log, decoder, clock=clock, new_id=new_id)
        closing.push_async_callback(decisions.close)
        link = Link(
            log, name, settings.link, decoder=decoder, clock=clock, random=Random(1), new_id=new_id, version="test"
        )
        till_requests = TillRequests(ttl_s=settings.api.till_request_ttl_s, new_id=new_id, basket=baskets.basket)
        offers = OfferBook()
        packs = Packs(PackShelf(folder.packs), {"offers": offers.load})
        api = LocalApi(
            settings=settings,
            folder=folder,
            log=log,
            decoder=decoder,
            link=link,
            identity=IdentityWatch(settings.link, MachineMark(folder.identity), log, decoder, clock),
            receipts=lambda: receipts[-1] if receipts else None,
            producers=producers,
            pseudonyms=Pseudonyms.open(folder.identity, secrets.token_bytes),
            baskets=baskets,
            till_requests=till_requests,
            catalogue=catalogue,
            packs=packs,
            offers=offers,
            adviser=decisions.adviser,
            fleet=fleet or Fleet(),
            refused=RefusedBodies(folder.refused, 0, 0, clock),
            shed=lambda: 0,
            clock=clock,
            heartbeat_s=heartbeat_s,
        )
        await api.start()
        closing.push_async_callback(api.stop)
        world = World(
            folder, settings, log, link, decoder, baskets, till_requests, catalogue, packs, producers, api, receipts
        )
        closing.push_async_callback(world.leave)
        yield world
