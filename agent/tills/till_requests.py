"""What is asked of the tills: put an item into the basket, take one out. It knows no log, no sockets and no clock.

A request lives for a few seconds, is bound to the till's current basket, and ends once: done or refused by the till,
or expired. `answer` and `expire` hand out what ended as the event to be stored; `recorded` says that it was.

    pending --answer--> done | refused
    pending --expire--> expired
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import ValidationError

from agent.clock import rfc3339
from agent.errors import CallerError, EnvironmentFault
from agent.event_types import TYPE_NAMES, TYPE_PREFIX, KioskTillRequest
from agent.tills.baskets import Basket

__all__ = [
    "AlreadyAnswered",
    "BasketMoved",
    "RequestConflict",
    "RequestKind",
    "RequestState",
    "RequestUnknown",
    "TillRequest",
    "TillRequests",
    "TooManyRequests",
]

PENDING_PER_TILL_MAX: Final = 32  # a cashier answers a handful in ten seconds
REQUESTS_MAX: Final = 10_000  # remembered for their ids; the oldest ended go first
UNRECORDED_MAX: Final = 1_000  # ended while the log takes nothing; no new ones until it does

RequestKind = Literal["add_item", "remove_item"]


class RequestState(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class TillRequest:
    """One thing asked of a till. `number` counts up over all tills; `ends_s` is a reading of the monotonic clock."""

    request_id: str
    till_id: str
    basket_id: str
    kind: RequestKind
    sku: str
    quantity: str
    expires_at: str
    ends_s: float
    number: int
    state: RequestState = RequestState.PENDING
    reason: str | None = None

    @property
    def asks(self) -> tuple[str, str, RequestKind, str, str]:
        """What is asked, without the id: a second request of the same id must ask the same."""
        return self.till_id, self.basket_id, self.kind, self.sku, self.quantity

    def event(self) -> KioskTillRequest:
        """The event that says how it ended."""
        assert self.state is not RequestState.PENDING, "only an ended request is an event"
        return KioskTillRequest(
            request_id=self.request_id,
            till_id=self.till_id,
            basket_id=self.basket_id,
            kind=self.kind,
            sku=self.sku,
            quantity=self.quantity,
            outcome=self.state.value,
            reason=self.reason,
        )


class RequestUnknown(CallerError):
    """No such request at this till; it may be too old to be remembered."""


class RequestConflict(CallerError):
    """The request id is taken by a request that asks something else."""


class BasketMoved(CallerError):
    """The till's open basket is not the one the request is for."""


class AlreadyAnswered(CallerError):
    """The request has ended otherwise; `request` says how."""

    def __init__(self, request: TillRequest) -> None:
        super().__init__(f"request {request.request_id} has already ended: {request.state}")
        self.request = request


class TooManyRequests(EnvironmentFault):
    """As many requests as are kept are open, or ended and not yet stored; wait for one to end."""


class TillRequests:
    """The requests of all tills, open ones and those just ended."""

    def __init__(
        self,
        *,
        ttl_s: float,
        new_id: Callable[[], str],
        basket: Callable[[str], Basket | None],
        requests_max: int = REQUESTS_MAX,
    ) -> None:
        self._ttl_s = ttl_s
        self._new_id = new_id
        self._basket = basket
        self._requests_max = requests_max
        self._requests: OrderedDict[str, TillRequest] = OrderedDict()  # by id, the oldest first
        self._pending: dict[str, dict[str, TillRequest]] = {}  # by till, in order of time
        self._unrecorded: dict[str, TillRequest] = {}
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._number = 0

    def restore(self, bodies: Iterable[bytes]) -> int:
        """Remembers ended requests from stored events, oldest first, so that their ids stay taken; tells how many."""
        ended = [parsed for parsed in map(_parse_stored, bodies) if parsed is not None]
        for request in ended:
            self._remember(request)
        return len(ended)

    def open(
        self,
        till_id: str,
        basket_id: str,
        kind: RequestKind,
        sku: str,
        quantity: str,
        *,
        request_id: str | None,
        now_s: float,
        wall: datetime,
    ) -> tuple[TillRequest, bool]:
        """The request, and whether it is new: the same id asking the same is answered with the first one.

        Raises:
            RequestConflict, BasketMoved, TooManyRequests
        """
        asks = (till_id, basket_id, kind, sku, quantity)
        known = self._requests.get(request_id) if request_id is not None else None
        if known is not None:
            if known.asks != asks:
                raise RequestConflict(f"request {request_id} asks something else already")
            return known, False
        self._check_basket(till_id, basket_id)
        pending = self._pending.get(till_id, {})
        if len(pending) >= PENDING_PER_TILL_MAX:
            raise TooManyRequests(f"till {till_id} has {len(pending)} open requests")
        if len(self._unrecorded) >= UNRECORDED_MAX:
            raise TooManyRequests(f"{len(self._unrecorded):,} ended requests wait to be stored")
        request = TillRequest(
            request_id if request_id is not None else self._new_id(),
            *asks,
            expires_at=rfc3339(wall + timedelta(seconds=self._ttl_s)),
            ends_s=now_s + self._ttl_s,
            number=self._next_number(),
        )
        self._pending.setdefault(till_id, pending)[request.request_id] = request
        self._remember(request)
        for wake in tuple(self._watchers.get(till_id, ())):
            wake()
        return request, True

    def get(self, till_id: str, request_id: str) -> TillRequest:
        """The request as it stands.

        Raises:
            RequestUnknown
        """
        request = self._requests.get(request_id)
        if request is None or request.till_id != till_id:
            raise RequestUnknown(f"till {till_id} has no request {request_id}")
        return request

    def answer(
        self, till_id: str, request_id: str, outcome: Literal["done", "refused"], reason: str | None, now_s: float
    ) -> TillRequest:
        """The request as it ended; the same answer again is welcome.

        Raises:
            RequestUnknown, AlreadyAnswered
        """
        request = self.get(till_id, request_id)
        state = RequestState(outcome)
        if request.state is RequestState.PENDING and now_s >= request.ends_s:
            request = self._expire(request)
        if request.state is RequestState.PENDING:
            return self._end(request, state, reason)
        if (request.state, request.reason) != (state, reason):
            raise AlreadyAnswered(request)
        return request

    def expire(self, now_s: float) -> list[TillRequest]:
        """Ends what has outlived its time, and tells which."""
        late = [request for open_ones in self._pending.values() for request in open_ones.values()]
        return [self._expire(request) for request in late if now_s >= request.ends_s]

    @property
    def next_end_s(self) -> float | None:
        """The monotonic reading at which the next open request expires."""
        ends = (request.ends_s for open_ones in self._pending.values() for request in open_ones.values())
        return min(ends, default=None)

    @property
    def unrecorded(self) -> tuple[TillRequest, ...]:
        """Ended requests whose event is not stored yet, in the order in which they ended."""
        return tuple(self._unrecorded.values())

    def is_unrecorded(self, request_id: str) -> bool:
        """Whether this request has ended and its event is not stored yet."""
        return request_id in self._unrecorded

    def recorded(self, request_id: str) -> None:
        """The event of this ended request is stored."""
        self._unrecorded.pop(request_id, None)

    def pending(self, till_id: str, *, after: str | None = None) -> list[TillRequest]:
        """The till's open requests for its open basket, oldest first; those after request `after` when it is known."""
        seen = self._requests.get(after) if after is not None else None
        number = seen.number if seen is not None and seen.till_id == till_id else 0
        basket = self._basket(till_id)
        return [
            request
            for request in self._pending.get(till_id, {}).values()
            if request.number > number and basket is not None and request.basket_id == basket.basket_id
        ]

    def watch(self, till_id: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Calls `wake` for every new request of the till, until the returned function is called."""
        self._watchers.setdefault(till_id, []).append(wake)

        def stop() -> None:
            watchers = self._watchers.get(till_id, [])
            if wake in watchers:
                watchers.remove(wake)
            if not watchers:
                self._watchers.pop(till_id, None)

        return stop

    def _check_basket(self, till_id: str, basket_id: str) -> None:
        basket = self._basket(till_id)
        if basket is None or basket.status != "open":
            raise BasketMoved(f"till {till_id} has no open basket")
        if basket.basket_id != basket_id:
            raise BasketMoved(f"till {till_id} has another basket open: {basket.basket_id}")

    def _expire(self, request: TillRequest) -> TillRequest:
        return self._end(request, RequestState.EXPIRED, f"no answer within {self._ttl_s:g} s")

    def _end(self, request: TillRequest, state: RequestState, reason: str | None) -> TillRequest:
        ended = replace(request, state=state, reason=reason)
        self._requests[request.request_id] = ended
        self._unrecorded[request.request_id] = ended
        pending = self._pending[request.till_id]
        del pending[request.request_id]
        if not pending:
            del self._pending[request.till_id]
        return ended

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _remember(self, request: TillRequest) -> None:
        self._requests[request.request_id] = request
        if len(self._requests) > self._requests_max:
            oldest = next(
                (key for key, known in self._requests.items() if known.state is not RequestState.PENDING), None
            )
            if oldest is not None:
                del self._requests[oldest]


def _parse_stored(body: bytes) -> TillRequest | None:
    # Any: a stored CloudEvent is JSON whose `data` the model checks; what no longer fits its model passes by.
    event: dict[str, Any] = json.loads(body)
    if event["type"] != TYPE_PREFIX + TYPE_NAMES[KioskTillRequest]:
        return None
    try:
        data = KioskTillRequest.model_validate(event["data"])
    except ValidationError:
        return None
    return TillRequest(
        data.request_id,
        data.till_id,
        data.basket_id,
        data.kind,
        data.sku,
        data.quantity,
        expires_at=event["time"],
        ends_s=0.0,
        number=0,
        state=RequestState(data.outcome),
        reason=data.reason,
    )
