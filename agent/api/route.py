"""What one route of the API is: declared once, served by the router and described by the OpenAPI document."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel

from agent.api.caller import Caller

__all__ = ["JSON", "KEY_PATTERN", "Access", "Answer", "Body", "Handler", "Parameter", "Route", "json_answer"]

JSON: Final = "application/json"
KEY_PATTERN: Final = r"^[\w.:@-]{1,80}$"  # agent.event_types.Key

Handler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


class Access(StrEnum):
    """Who is let in."""

    ANYONE = "anyone"
    """No token on any listener: nothing of the shop is told."""
    MACHINE = "machine"
    """No token from this machine; one from the LAN."""
    PRODUCER = "producer"
    """A token over TCP."""
    LOCAL = "local"
    """Only the Unix socket: this changes the device."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One status a route answers with: media types and what is in them; None is text that no schema describes."""

    description: str
    content: Mapping[str, type[BaseModel] | None]


def json_answer(description: str, model: type[BaseModel]) -> Answer:
    """An answer that is one JSON document."""
    return Answer(description, {JSON: model})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value in the path, the query or a header; `schema` is its JSON Schema."""

    name: str
    where: Literal["path", "query", "header"]
    description: str
    schema: Mapping[str, Any]  # Any: JSON Schema


@dataclass(frozen=True, slots=True)
class Body:
    """What a route takes: its media types, its schema or model, and how large it may be."""

    media_types: tuple[str, ...]
    content: type[BaseModel] | Mapping[str, Any] | None  # Any: JSON Schema
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. `needs`: over TCP, a producer must be allowed to write one of these event types."""

    method: Literal["GET", "POST"]
    path: str
    operation: str
    summary: str
    handler: Handler
    answers: Mapping[int, Answer]
    errors: tuple[int, ...] = ()
    access: Access = Access.PRODUCER
    needs: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None

    @property
    def error_statuses(self) -> tuple[int, ...]:
        """All error statuses that this route may answer with: its own, and those of the door."""
        found = {403, *self.errors}
        if self.access in (Access.PRODUCER, Access.MACHINE):
            found |= {401, 503}
        if self.body is not None:
            found |= {400, 408, 413, 415}
        if any(parameter.where != "header" for parameter in self.parameters):
            found |= {400}
        return tuple(sorted(found))
