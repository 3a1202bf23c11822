"""Every way in which the API says no, as RFC 9457 problem documents: one table from our errors to statuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent.catalogue import CatalogueRefused
from agent.errors import (
    CallerError,
    EnvironmentFault,
    EventRefused,
    IdConflict,
    IntakeFull,
    Problem,
    StorageFull,
    StoreforwardError,
)
from agent.fleet.refusals import NothingToForget, NothingToResolve, NotStopped, ReleaseRefused, VehicleUnknown
from agent.tills.pseudonyms import RawIdRefused
from agent.tills.till_requests import AlreadyAnswered, BasketMoved, RequestConflict, RequestUnknown, TooManyRequests
from agent.upkeep.quarantine_desk import NotQuarantined, StillDamaged
from agent.upkeep.replay_desk import LinkIsOff, NoReplay, NothingToReplay, ReplayGoing

__all__ = ["PROBLEM_JSON", "ProblemDocument", "ProblemItem", "Refusal", "problem_response", "refusal_of"]

PROBLEM_JSON: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:storeforward:problem:"
RETRY_AFTER_S: Final = 1.0

TITLES: Final = {
    400: "The request is not valid",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "The body came too slowly",
    409: "Conflict with what is stored",
    413: "Too large",
    415: "Unsupported media type",
    429: "Too much at once",
    503: "Not available now",
    507: "Storage full",
}


class ProblemItem(BaseModel):
    """One thing wrong with the request: where, what, and what was expected instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    problem: str
    expected: str


class ProblemDocument(BaseModel):
    """An error (RFC 9457). `type` ends in a stable code; `problems` name the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    title: str
    status: int
    detail: str
    problems: list[ProblemItem] = []


@dataclass(frozen=True, slots=True)
class _Rule:
    status: int
    kind: str
    retry_after_s: float | None = None


class Refusal(CallerError):
    """The answer to a call that is not served: HTTP status, stable code, one sentence, and the fields at fault."""

    def __init__(
        self, status: int, kind: str, detail: str, *problems: Problem, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.problems: Sequence[Problem] = problems
        self.retry_after_s = retry_after_s


# The first match counts, so the special ones come first.
_RULES: Final[tuple[tuple[type[StoreforwardError], _Rule], ...]] = (
    (EventRefused, _Rule(400, "event_refused")),
    (CatalogueRefused, _Rule(400, "catalogue_refused")),
    (RawIdRefused, _Rule(400, "customer_refused")),
    (IdConflict, _Rule(409, "id_conflict")),
    (RequestConflict, _Rule(409, "id_conflict")),
    (BasketMoved, _Rule(409, "basket_moved")),
    (AlreadyAnswered, _Rule(409, "already_answered")),
    (RequestUnknown, _Rule(404, "unknown_request")),
    (NotQuarantined, _Rule(404, "not_quarantined")),
    (StillDamaged, _Rule(409, "still_damaged")),
    (NothingToReplay, _Rule(404, "nothing_to_replay")),
    (NoReplay, _Rule(404, "no_replay")),
    (ReplayGoing, _Rule(409, "replay_going")),
    (LinkIsOff, _Rule(409, "link_off")),
    (VehicleUnknown, _Rule(404, "unknown_vehicle")),
    (NotStopped, _Rule(409, "not_stopped")),
    (NothingToForget, _Rule(409, "nothing_to_forget")),
    (ReleaseRefused, _Rule(409, "release_refused")),
    (NothingToResolve, _Rule(409, "nothing_to_resolve")),
    (CallerError, _Rule(400, "refused")),
    (IntakeFull, _Rule(429, "intake_full", RETRY_AFTER_S)),
    (TooManyRequests, _Rule(429, "too_many_requests", RETRY_AFTER_S)),
    (StorageFull, _Rule(507, "storage_full")),
    (EnvironmentFault, _Rule(503, "not_available", RETRY_AFTER_S)),
)


def refusal_of(error: StoreforwardError) -> Refusal:
    """How an error is told to the caller.

    Raises:
        StoreforwardError: the error itself when it is not for callers.
    """
    if isinstance(error, Refusal):
        return error
    for kind, rule in _RULES:
        if isinstance(error, kind):
            problems: Sequence[Problem] = getattr(error, "problems", ())
            detail = str(problems[0]) if len(problems) == 1 else f"{len(problems)} problems" if problems else str(error)
            return Refusal(rule.status, rule.kind, detail, *problems, retry_after_s=rule.retry_after_s)
    raise error


def problem_response(refusal: Refusal) -> web.Response:
    """The refusal as an HTTP response."""
    document = ProblemDocument(
        type=TYPE_PREFIX + refusal.kind,
        title=TITLES[refusal.status],
        status=refusal.status,
        detail=refusal.detail,
        problems=[ProblemItem(path=p.path, problem=p.problem, expected=p.expected) for p in refusal.problems],
    )
    headers = {}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, ceil(refusal.retry_after_s)))
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="storeforward"'
    body = document.model_dump_json().encode()
    return web.Response(body=body, status=refusal.status, content_type=PROBLEM_JSON, headers=headers)
