"""Sends events to the agent until it says they are stored, as a careful producer does, and keeps count.

A producer that hears nothing sends the same event with the same id again: the agent may have died before or after
the fsync, and the id makes both right.
"""

import asyncio
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from agent.clock import Clock, rfc3339
from sim.demo.summary import CaptureKind

__all__ = ["Sender", "Tally"]

TRY_AGAIN_AFTER_S: Final = 0.1
ANSWER_TIMEOUT_S: Final = 10.0
RECENT_APPENDS: Final = 500
_BUSY: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE}

_CAPTURE_KINDS: Final = {kind.value: kind for kind in CaptureKind}


@dataclass(slots=True)
class Tally:
    """What the producers know for sure: everything here was acknowledged by the agent."""

    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    """(producer, event id) of each acknowledged event."""
    captured: Counter[CaptureKind] = field(default_factory=Counter)
    append_ms: list[float] = field(default_factory=list)
    """Round trip of every request that was answered at the first try, fsync included."""
    recent_append_ms: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_APPENDS))
    sales: int = 0
    sales_total: Counter[str] = field(default_factory=Counter)
    """What was paid, in hundredths, by currency."""
    sent_again: int = 0
    uneven: list[str] = field(default_factory=list)
    """Sales whose total is not the sum of their lines; must stay empty."""
    refused: list[str] = field(default_factory=list)
    """What the agent refused for good; must stay empty."""

    @property
    def takings(self) -> dict[str, Decimal]:
        """What was paid, by currency."""
        return {currency: Decimal(hundredths) / 100 for currency, hundredths in self.sales_total.items()}


class Sender:
    """One producer's way to the agent: an HTTP session, where to, and its token or name."""

    def __init__(
        self, session: ClientSession, url: str, headers: dict[str, str], producer: str, tally: Tally, clock: Clock
    ) -> None:
        self._session = session
        self._url = url
        self._headers = headers | {"Content-Type": "application/json"}
        self._producer = producer
        self._tally = tally
        self._clock = clock
        self._pseudonyms: dict[str, str] = {}
        self.waiting = False
        """Whether the agent left the current event without an answer so far."""

    async def send(self, type_name: str, data: dict[str, Any], event_id: str, at: datetime) -> None:
        """Return once the agent has stored the event, however often it must be sent."""
        event = {"type": type_name, "id": event_id, "time": rfc3339(at), "data": data}
        if await self._ask("/v1/events", json.dumps(event).encode()) is not None:
            self._count(type_name, data, event_id)

    async def pseudonym(self, raw_customer: str) -> str | None:
        """What the agent calls a customer."""
        if raw_customer not in self._pseudonyms:
            answer = await self._ask("/v1/pseudonyms", json.dumps({"customer": raw_customer}).encode())
            if answer is None:
                return None
            self._pseudonyms[raw_customer] = json.loads(answer)["customer_id"]
        return self._pseudonyms[raw_customer]

    async def _ask(self, path: str, body: bytes) -> bytes | None:
        """The agent's answer; None when it refused for good, which is then on record."""
        tries = 0
        try:
            while True:
                tries += 1
                began_s = self._clock.monotonic_s()
                try:
                    async with self._session.post(
                        self._url + path, data=body, headers=self._headers, timeout=ClientTimeout(ANSWER_TIMEOUT_S)
                    ) as response:
                        answer = await response.read()
                        status = response.status
                except (ClientError, OSError, TimeoutError):
                    status, answer = HTTPStatus.SERVICE_UNAVAILABLE, b""
                if status < HTTPStatus.BAD_REQUEST:
                    self._measure(began_s, tries)
                    return answer
                if status not in _BUSY:
                    self._tally.refused.append(f"{self._producer}: {status} {answer[:400].decode(errors='replace')}")
                    return None
                self._tally.sent_again += 1
                self.waiting = True
                await asyncio.sleep(TRY_AGAIN_AFTER_S)
        finally:
            self.waiting = False

    def _measure(self, began_s: float, tries: int) -> None:
        if tries == 1:
            took_ms = (self._clock.monotonic_s() - began_s) * 1000
            self._tally.append_ms.append(took_ms)
            self._tally.recent_append_ms.append(took_ms)

    def _count(self, type_name: str, data: dict[str, Any], event_id: str) -> None:
        self._tally.acknowledged.add((self._producer, event_id))
        kind = _CAPTURE_KINDS.get(type_name.partition(".")[0])
        if kind is not None:
            self._tally.captured[kind] += 1
        if type_name == "pos.sale.v1":
            self._tally.sales += 1
            self._tally.sales_total[data["currency"]] += int(Decimal(data["total"]) * 100)
            if sum(Decimal(item["extended_amount"]) for item in data["items"]) != Decimal(data["total"]):
                self._tally.uneven.append(data["basket_id"])
