"""Request bodies: the media type first, then the bytes, never more of them or for longer than allowed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from agent.api.refusal import Refusal
from agent.api.route import Body
from agent.errors import EventRefused, Problem
from agent.events import problems_of
from agent.strict_json import parse_strictly

__all__ = ["body_chunks", "check_media_type", "read_body", "read_model"]

BODY_TIMEOUT_S: Final = 30.0  # 4 MiB at 1.1 Mbit/s

_Model = TypeVar("_Model", bound=BaseModel)


def check_media_type(request: web.Request, body: Body) -> None:
    """Refuse what this route does not read.

    Raises:
        Refusal: 413 or 415.
    """
    if request.content_type not in body.media_types or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        wanted = " or ".join(body.media_types)
        problem = Problem("Content-Type", f"{request.content_type[:80]!r}", f"{wanted}, in UTF-8")
        raise Refusal(415, "media_type", f"this route reads {wanted}", problem)
    if (request.content_length or 0) > body.bytes_max:
        raise _too_large(body)


async def read_body(request: web.Request, body: Body) -> bytes:
    """The whole body.

    Raises:
        Refusal: 408, 413 or 415.
    """
    check_media_type(request, body)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return b"".join([chunk async for chunk in body_chunks(request, body)])
    except TimeoutError:
        raise _too_slow() from None


async def body_chunks(request: web.Request, body: Body) -> AsyncIterator[bytes]:
    """The body as it comes, each part within its time.

    Raises:
        Refusal: 400 for a broken encoding, 408, 413.
    """
    size = 0
    while True:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                chunk = await request.content.readany()
        except TimeoutError:
            raise _too_slow() from None
        except web.RequestPayloadError:
            raise Refusal(400, "encoding", "the body does not keep to its transfer or content encoding") from None
        if not chunk:
            return
        size += len(chunk)
        if size > body.bytes_max:
            raise _too_large(body)
        yield chunk


async def read_model(request: web.Request, body: Body, model: type[_Model]) -> _Model:
    """The body as a checked value.

    Raises:
        Refusal: 400 with the paths, 408, 413 or 415.
    """
    try:
        return model.model_validate(parse_strictly(await read_body(request, body), bytes_max=body.bytes_max))
    except ValidationError as error:
        problems = problems_of(error)
    except EventRefused as refused:
        problems = list(refused.problems)
    raise Refusal(400, "refused", "; ".join(map(str, problems)), *problems)


def _too_slow() -> Refusal:
    return Refusal(408, "slow_body", f"the body did not come within {BODY_TIMEOUT_S:.0f} s")


def _too_large(body: Body) -> Refusal:
    return Refusal(413, "too_large", f"a body of more than {body.bytes_max:,} bytes; send fewer events in one call")
