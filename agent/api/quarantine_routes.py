"""Events in quarantine, for an operator on this machine: list, look closer, retry, drop."""

from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent.api.bodies import read_model
from agent.api.caller import Caller
from agent.api.route import JSON, Access, Body, Parameter, Route, json_answer
from agent.event_fields import Key
from agent.event_types import Stream
from agent.log import QuarantinedRow, repaired
from agent.upkeep.quarantine_desk import QuarantineDesk

__all__ = ["QuarantineRoutes"]

BODY_BYTES_MAX: Final = 4_096
NUMBER_DIGITS_MAX: Final = 15
NUMBER: Final = Parameter("number", "path", "The event's number in quarantine", {"type": "integer", "minimum": 1})


class QuarantinedEvent(BaseModel):
    """One damaged event; `mendable` when a retry would make it whole. `text` is what is left of its body."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    stream: Stream
    epoch_number: int
    sequence: int
    id: str
    found: datetime
    size_bytes: int
    mendable: bool
    text: str = ""


class QuarantineList(BaseModel):
    """Every event in quarantine, oldest find first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: list[QuarantinedEvent]


class QuarantineWish(BaseModel):
    """Who wants it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    by: Key


class QuarantineRoutes:
    """The routes over one desk."""

    def __init__(self, desk: QuarantineDesk) -> None:
        self._desk = desk
        self._body = Body((JSON,), QuarantineWish, BODY_BYTES_MAX)

    def routes(self) -> list[Route]:
        """What this part serves."""
        one, local = "/v1/quarantine/{number}", Access.LOCAL
        event = {200: json_answer("The event as it was found", QuarantinedEvent)}
        return [
            Route(
                "GET", "/v1/quarantine", "listQuarantine", "Damaged events that were kept aside",
                self.list_events, {200: json_answer("All of them", QuarantineList)}, access=local, errors=(503,),
            ),
            Route(
                "GET", one, "getQuarantined", "One damaged event, with what is left of it",
                self.get_event, event, access=local, errors=(404, 503), parameters=(NUMBER,),
            ),
            Route(
                "POST", one + "/retry", "retryQuarantined", "Make an event whole and send it after all",
                self.retry_event, event, access=local, errors=(404, 409, 503, 507), parameters=(NUMBER,),
                body=self._body,
            ),
            Route(
                "POST", one + "/drop", "dropQuarantined", "Forget a damaged event's bytes for good",
                self.drop_event, event, access=local, errors=(404, 503, 507), parameters=(NUMBER,), body=self._body,
            ),
        ]  # fmt: skip

    async def list_events(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """All of them, without their bodies."""
        found = QuarantineList(events=[_event(row) for row in await self._desk.rows()])
        return web.Response(body=found.model_dump_json().encode(), content_type=JSON)

    async def get_event(self, request: web.Request, caller: Caller) -> web.Response:
        """One of them, with its body."""
        del caller
        return _answer(await self._desk.row(_number(request)), whole=True)

    async def retry_event(self, request: web.Request, caller: Caller) -> web.Response:
        """Try to make it whole."""
        del caller
        await read_model(request, self._body, QuarantineWish)
        return _answer(await self._desk.retry(_number(request)))

    async def drop_event(self, request: web.Request, caller: Caller) -> web.Response:
        """Forget it."""
        del caller
        wish = await read_model(request, self._body, QuarantineWish)
        return _answer(await self._desk.drop(_number(request), wish.by))


def _number(request: web.Request) -> int:
    text = request.match_info["number"]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX else 0


def _answer(row: QuarantinedRow, *, whole: bool = False) -> web.Response:
    event = _event(row)
    if whole and isinstance(row.body, bytes):
        event = event.model_copy(update={"text": row.body.decode(errors="backslashreplace")})
    return web.Response(body=event.model_dump_json().encode(), content_type=JSON)


def _event(row: QuarantinedRow) -> QuarantinedEvent:
    return QuarantinedEvent(
        number=row.number,
        stream=row.stream,
        epoch_number=row.place.epoch,
        sequence=row.place.sequence,
        id=row.id.decode(errors="backslashreplace") if isinstance(row.id, bytes) else "",
        found=datetime.fromtimestamp(row.found_ms / 1000, UTC),
        size_bytes=len(row.body) if isinstance(row.body, bytes) else 0,
        mendable=repaired(row) is not None,
    )
