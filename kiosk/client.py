"""The agent's local API as the kiosk uses it, over the Unix socket. Calls may be repeated: ids make them count once."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from agent.errors import CallerError, PeerError
from kiosk.documents import AgentStatus, Basket, Decision, Problem, Product, Products, RequestNow, VehiclePart, Vehicles
from kiosk.sse import Message, Messages, MessageTooLarge
from kiosk.state import Post

__all__ = ["AgentApi", "AgentGone", "CallRefused", "ShelfNews"]

CALL_TIMEOUT_S: Final = 3.0
DECISION_TIMEOUT_S: Final = 1.0  # later than that the basket has gone on anyway
QUIET_MAX_S: Final = 40.0  # the agent says something every 15 s
RESULTS_MAX: Final = 12
_URL: Final = "http://agent"  # the host of a URL that goes through a socket file
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INSUFFICIENT_STORAGE})

_Document = TypeVar("_Document", bound=BaseModel)


class AgentGone(PeerError):
    """No answer that can be used, or "not now": the same call will do later."""


class CallRefused(CallerError):
    """The agent said no, and will say it again; `code` is stable."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ShelfNews:
    """Prices, products or offers may have changed."""


class AgentApi:
    """One kiosk's calls; use it in `async with`. Every method raises AgentGone or CallRefused."""

    def __init__(self, socket_path: Path, kiosk_id: str) -> None:
        self._kiosk_id = kiosk_id
        self._session = _session(aiohttp.UnixConnector(str(socket_path)), kiosk_id)
        lane = aiohttp.UnixConnector(str(socket_path), limit=0, force_close=True)
        self._stop_lane = _session(lane, kiosk_id)
        """A stop opens a connection of its own each time: none that stands may be a dead or a busy one."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._stop_lane.close()

    async def news(self, till_id: str) -> AsyncIterator[Basket | ShelfNews | None]:
        """None once something good has come, then the till's basket after every change, and what else is new."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_TIMEOUT_S, sock_read=QUIET_MAX_S)
        headers = {"Accept": "text/event-stream"}
        try:
            async with self._session.get(f"{_URL}/v1/baskets/{till_id}", headers=headers, timeout=timeout) as response:
                if response.status != HTTPStatus.OK:
                    _check(response.status, await response.read())
                messages, stands = Messages(), False
                async for received in response.content.iter_any():
                    news = [one for one in map(_news_of, messages.feed(received)) if one is not None]
                    if not stands:
                        yield None
                    stands = True
                    for one in news:
                        yield one
        except (aiohttp.ClientError, MessageTooLarge, OSError) as error:  # TimeoutError is an OSError
            raise AgentGone(f"the agent does not answer: {error}") from error
        raise AgentGone("the agent ended the stream")

    async def status(self) -> AgentStatus:
        """How the agent is."""
        return _parse(AgentStatus, await self._call("GET", "/v1/status"))

    async def decide(self, body: Mapping[str, Any]) -> Decision:  # Any: JSON
        """A decision."""
        return _parse(Decision, await self._call("POST", "/v1/decisions", body, timeout_s=DECISION_TIMEOUT_S))

    async def product(self, sku: str) -> Product | None:
        """One product, None for one that is not in the catalogue."""
        try:
            return _parse(Product, await self._call("GET", f"/v1/products/{sku}"))
        except CallRefused:
            return None

    async def search(self, query: str) -> tuple[Product, ...]:
        """The best matches for what was typed."""
        return await self._products({"q": query, "limit": str(RESULTS_MAX)})

    async def find_code(self, gtin: str) -> tuple[Product, ...]:
        """The products of a code."""
        return await self._products({"gtin": gtin})

    async def send(self, post: Post) -> RequestNow | None:
        """Delivers one post; the answer to a till request is how it stands."""
        answer = await self._call("POST", post.path, post.body)
        return _parse(RequestNow, answer) if post.id == post.request_id else None

    async def request(self, till_id: str, request_id: str) -> RequestNow:
        """How a till request stands."""
        return _parse(RequestNow, await self._call("GET", f"/v1/tills/{till_id}/requests/{request_id}"))

    async def stop_vehicles(self, request_id: str, timeout_s: float) -> tuple[VehiclePart, ...]:
        """Stops all vehicles; how they are then."""
        body = {"by": self._kiosk_id, "request_id": request_id}
        answer = await self._call("POST", "/v1/agvs/stop", body, timeout_s=timeout_s, session=self._stop_lane)
        return _parse(Vehicles, answer).vehicles

    async def vehicles(self, timeout_s: float) -> tuple[VehiclePart, ...]:
        """How all vehicles are."""
        answer = await self._call("GET", "/v1/agvs", timeout_s=timeout_s, session=self._stop_lane)
        return _parse(Vehicles, answer).vehicles

    async def _products(self, query: Mapping[str, str]) -> tuple[Product, ...]:
        return _parse(Products, await self._call("GET", "/v1/products", query=query)).products

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,  # Any: JSON
        *,
        query: Mapping[str, str] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        session: aiohttp.ClientSession | None = None,
    ) -> bytes:
        json_body = dict(body) if body is not None else None
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with (session or self._session).request(
                method, _URL + path, json=json_body, params=query, timeout=timeout
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise AgentGone(f"the agent does not answer: {error}") from error
        _check(response.status, answer)
        return answer


def _session(connector: aiohttp.UnixConnector, kiosk_id: str) -> aiohttp.ClientSession:
    headers = {"Storeforward-Producer": kiosk_id}
    return aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
    )


def _news_of(message: Message) -> Basket | ShelfNews | None:
    """A kind of message from a newer agent is none of ours."""
    match message.event:
        case "basket":
            return _parse(Basket, message.data.encode())
        case "shelf":
            return ShelfNews()
        case _:
            return None


def _check(status: int, answer: bytes) -> None:
    if status < HTTPStatus.BAD_REQUEST:
        return
    try:
        problem = Problem.model_validate_json(answer)
    except ValidationError:
        problem = Problem(detail=f"status {status}")
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AgentGone(f"not now: {problem.detail}")
    raise CallRefused(status, problem.code, problem.detail)


def _parse(model: type[_Document], text: bytes) -> _Document:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise AgentGone(f"an answer that is no {model.__name__}: {error.error_count()} problems") from error
