"""Requests to tills: opened by kiosks, streamed to the till, answered once, and each end stored as an event."""

from decimal import Decimal
from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from agent.api.basket_routes import TILL, TILL_TYPES
from agent.api.bodies import read_model
from agent.api.caller import Caller
from agent.api.event_stream import EVENT_STREAM, EventStreams, StreamSource
from agent.api.request_recorder import RequestRecorder
from agent.api.route import JSON, KEY_PATTERN, Answer, Body, Parameter, Route, json_answer
from agent.clock import Clock
from agent.event_fields import Key, Quantity, Text
from agent.tills.till_requests import RequestKind, RequestState, TillRequest, TillRequests

__all__ = ["TillRoutes"]

BODY_BYTES_MAX: Final = 4_096
REQUEST_ID: Final = Parameter("request_id", "path", "A request's id", {"type": "string", "pattern": KEY_PATTERN})
LAST_EVENT_ID: Final = Parameter(
    "Last-Event-ID", "header", "The last request_id seen; only later ones are sent", {"type": "string"}
)


def _check_positive(value: str) -> str:
    if Decimal(value) <= 0:
        raise PydanticCustomError("quantity_positive", 'not above zero; expected a quantity such as "1"')
    return value


class NewTillRequest(BaseModel):
    """What to ask of a till. With a `request_id` of your own you may send it again and it is asked once."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    basket_id: Key
    kind: RequestKind
    sku: Key
    quantity: Annotated[Quantity, AfterValidator(_check_positive)] = "1"
    request_id: Key | None = None


class TillAnswer(BaseModel):
    """How the till ended a request; a refusal says why."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    outcome: Literal["done", "refused"]
    reason: Text | None = None

    @model_validator(mode="after")
    def _refusals_have_reasons(self) -> "TillAnswer":
        if self.outcome == "refused" and self.reason is None:
            raise ValueError("refused without a reason; expected reason, in a few words")
        return self


class AskedOfTill(BaseModel):
    """What a till is sent. It answers before `expires_at`, and acts on each `request_id` once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request_id: str
    basket_id: str
    kind: RequestKind
    sku: str
    quantity: str
    expires_at: str


class TillRequestState(AskedOfTill):
    """A request as it stands."""

    till_id: str
    state: RequestState
    reason: Annotated[str | None, Field(description="of a refused or expired one")]


_STATE: Final = json_answer("The request as it stands", TillRequestState)


class TillRoutes:
    """The routes of kiosks and tills about one another."""

    def __init__(self, requests: TillRequests, recorder: RequestRecorder, streams: EventStreams, clock: Clock) -> None:
        self._requests = requests
        self._recorder = recorder
        self._streams = streams
        self._clock = clock
        self._new_body = Body((JSON,), NewTillRequest, BODY_BYTES_MAX)
        self._answer_body = Body((JSON,), TillAnswer, BODY_BYTES_MAX)

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [self._post_route(), self._stream_route(), self._get_route(), self._answer_route()]

    def _post_route(self) -> Route:
        return Route(
            "POST",
            "/v1/tills/{till}/requests",
            "postTillRequest",
            "Ask a till to put an item into its open basket or take one out",
            self.post_request,
            {201: json_answer("Asked", TillRequestState), 200: _STATE},
            errors=(409, 429, 503),
            needs=("kiosk.till_request.v1",),
            parameters=(TILL,),
            body=self._new_body,
        )

    def _stream_route(self) -> Route:
        return Route(
            "GET",
            "/v1/tills/{till}/requests",
            "streamTillRequests",
            "The till's open requests and each new one, as a stream",
            self.stream_requests,
            {200: Answer("Events named `request` with the request_id as id, each AskedOfTill", {EVENT_STREAM: None})},
            errors=(503,),
            needs=("pos.scan.v1",),
            parameters=(TILL, LAST_EVENT_ID),
        )

    def _get_route(self) -> Route:
        return Route(
            "GET",
            "/v1/tills/{till}/requests/{request_id}",
            "getTillRequest",
            "How a request stands",
            self.get_request,
            {200: _STATE},
            errors=(404,),
            needs=TILL_TYPES,
            parameters=(TILL, REQUEST_ID),
        )

    def _answer_route(self) -> Route:
        return Route(
            "POST",
            "/v1/tills/{till}/requests/{request_id}",
            "answerTillRequest",
            "The till's answer; the same again is welcome, another is refused",
            self.answer_request,
            {200: _STATE},
            errors=(404, 409, 429, 503, 507),
            needs=("pos.scan.v1",),
            parameters=(TILL, REQUEST_ID),
            body=self._answer_body,
        )

    async def post_request(self, request: web.Request, caller: Caller) -> web.Response:
        """Open a request, or find the one of the same id."""
        del caller
        asked = await read_model(request, self._new_body, NewTillRequest)
        found, new = self._requests.open(
            request.match_info["till"],
            asked.basket_id,
            asked.kind,
            asked.sku,
            asked.quantity,
            request_id=asked.request_id,
            now_s=self._clock.monotonic_s(),
            wall=self._clock.wall(),
        )
        self._recorder.wake()
        return _state_response(found, 201 if new else 200)

    async def stream_requests(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """What the till is asked, from the last one it has seen."""
        del caller
        till_id = request.match_info["till"]
        last = request.headers.get("Last-Event-ID")

        def take() -> bytes:
            nonlocal last
            pending = self._requests.pending(till_id, after=last)
            if pending:
                last = pending[-1].request_id
            return b"".join(map(_message, pending))

        return await self._streams.serve(request, StreamSource(lambda wake: self._requests.watch(till_id, wake), take))

    async def get_request(self, request: web.Request, caller: Caller) -> web.Response:
        """One request."""
        del caller
        found = self._requests.get(request.match_info["till"], request.match_info["request_id"])
        return _state_response(found, 200)

    async def answer_request(self, request: web.Request, caller: Caller) -> web.Response:
        """End a request; answers once that is stored."""
        del caller
        answer = await read_model(request, self._answer_body, TillAnswer)
        ended = self._requests.answer(
            request.match_info["till"],
            request.match_info["request_id"],
            answer.outcome,
            answer.reason,
            self._clock.monotonic_s(),
        )
        await self._recorder.record(ended)
        return _state_response(ended, 200)


def _message(request: TillRequest) -> bytes:
    asked = AskedOfTill(
        request_id=request.request_id,
        basket_id=request.basket_id,
        kind=request.kind,
        sku=request.sku,
        quantity=request.quantity,
        expires_at=request.expires_at,
    )
    return f"event: request\nid: {request.request_id}\ndata: {asked.model_dump_json()}\n\n".encode()


def _state_response(request: TillRequest, status: int) -> web.Response:
    state = TillRequestState(
        request_id=request.request_id,
        till_id=request.till_id,
        basket_id=request.basket_id,
        kind=request.kind,
        sku=request.sku,
        quantity=request.quantity,
        expires_at=request.expires_at,
        state=request.state,
        reason=request.reason,
    )
    return web.Response(body=state.model_dump_json().encode(), status=status, content_type=JSON)
