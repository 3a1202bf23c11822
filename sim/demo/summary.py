"""What a demo tells about itself: samples while it runs and one summary at its end, as plain values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from agent.event_types import Stream
from sim.demo.advice import TARGETS_MS, AdviceFigures
from sim.demo.missions import MissionFigures

__all__ = [
    "CaptureKind",
    "DayCloseAnswer",
    "KioskView",
    "LinkState",
    "Phase",
    "Sample",
    "StoreDay",
    "StreamCount",
    "StreamResult",
    "Summary",
    "TillState",
    "TillView",
    "VehicleView",
]


class LinkState(StrEnum):
    """The way to the cloud as shown: `cut` is the demo's own doing, `connecting` is the agent at work."""

    ONLINE = "online"
    CONNECTING = "connecting"
    CUT = "cut"


class TillState(StrEnum):
    """What a till does right now."""

    SCANNING = "scanning"
    PAYING = "paying"
    IDLE = "idle"
    WAITING = "waiting for the agent"


class CaptureKind(StrEnum):
    """How an event was captured."""

    POS = "pos"
    RFID = "rfid"
    NFC = "nfc"
    CAMERA = "camera"
    VOICE = "voice"
    ENVIRONMENT = "environment"


class Phase(StrEnum):
    """Where the demo is."""

    STARTING = "starting"
    SELLING = "selling"
    CATCHING_UP = "catching up"
    CLOSING = "closing the day"


class DayCloseAnswer(StrEnum):
    """What the ledger said about the business days that the agent closed."""

    AGREED = "agreed"
    DIFFERS = "differs"
    UNANSWERED = "not yet answered"


@dataclass(frozen=True, slots=True)
class StoreDay:
    """What is played: where the sales are from, and from when to when, in the shop's own time zone."""

    data_source: str
    from_time: datetime
    to_time: datetime
    currency: str
    version: str

    def progress(self, shop_time: datetime) -> float:
        """How much of the day has passed, 0 to 1."""
        length_s = (self.to_time - self.from_time).total_seconds()
        passed_s = (shop_time - self.from_time).total_seconds()
        return min(1.0, max(0.0, passed_s / length_s)) if length_s > 0 else 1.0

    def clock(self, moment: datetime) -> str:
        """What the shop's clock shows within the day; with the date when more than one day is played."""
        if moment > self.to_time:
            return f"after {self.clock(self.to_time)}"
        local = max(moment, self.from_time).astimezone(self.from_time.tzinfo)
        one_day = self.to_time - self.from_time <= timedelta(days=1)
        return f"{local:%H:%M}" if one_day else f"{local:%a} {local.day} {local:%b %H:%M}"


@dataclass(frozen=True, slots=True)
class TillView:
    """One till: the open basket's lines and total, and what it sold so far."""

    till_id: str
    state: TillState
    basket_items: int
    basket_total: Decimal
    sales: int
    sales_total: Decimal
    kiosk: bool = False


@dataclass(frozen=True, slots=True)
class KioskView:
    """All kiosks so far: decisions shown, what the tills did about taps, and 95th percentiles in milliseconds."""

    kiosks: int
    shown: int
    added: int
    refused: int
    scan_to_suggestions_ms: float | None
    tap_to_paint_ms: float | None
    accept_to_till_ms: float | None


@dataclass(frozen=True, slots=True)
class VehicleView:
    """One vehicle: what it does in a word or two, its errand, and how many it has done."""

    vehicle_id: str
    doing: str
    errand: str
    done: int


@dataclass(frozen=True, slots=True)
class StreamCount:
    """One stream so far: events acknowledged by the log, and events in the ledger."""

    stream: Stream
    accepted: int
    delivered: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the running demo, about four a second.

    `at_s` counts real seconds from the start; `waiting` is the log's depth behind the cloud's cursor; the
    latencies are of the last few seconds and None when nothing was measured.
    """

    at_s: float
    shop_time: datetime
    link: LinkState
    accepted: int
    delivered: int
    waiting: int
    phase: Phase = Phase.SELLING
    tills: tuple[TillView, ...] = ()
    streams: tuple[StreamCount, ...] = ()
    captured: Mapping[CaptureKind, int] = field(default_factory=dict)
    append_ms_p50: float | None = None
    append_ms_p99: float | None = None
    event_to_cloud_ms_p50: float | None = None
    kiosks: KioskView | None = None
    vehicles: tuple[VehicleView, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamResult:
    """One stream at the end: the log's count beside what the ledger has, lacks and disputes."""

    accepted: int
    delivered: int
    missing: int
    duplicates: int
    conflicts: int
    shed: int = 0
    quarantined: int = 0

    @property
    def whole(self) -> bool:
        """Whether every accepted event is in the ledger exactly once, or was declared given up."""
        accounted = self.delivered + self.shed + self.quarantined
        return self.accepted == accounted and not (self.missing or self.duplicates or self.conflicts)


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcome of one demo. `duplicates` took effect twice; `redelivered` came twice and was recognised.

    `shed` and `quarantined` were declared by the agent: not in the ledger, and not missing. `event_bytes` are those of
    all events as stored, `events_per_s_max` what the log took in its busiest second; memory is each process's most.
    """

    data_source: str
    version: str
    seed: int
    out: Path
    events_accepted: int
    events_delivered: int
    event_bytes: int
    events_per_s_max: float
    missing: int
    duplicates: int
    conflicts: int
    redelivered: int
    shed: int
    quarantined: int
    baskets: int
    sales_total: Mapping[str, Decimal]
    outage_s: float
    waiting_max: int
    caught_up_s: float | None
    append_ms_p50: float | None
    append_ms_p99: float | None
    event_to_cloud_ms_p50: float | None
    event_to_cloud_ms_p95: float | None
    wall_s: float
    agent_rss_max_mb: float | None
    kiosk_rss_max_mb: float | None
    streams: Mapping[Stream, StreamResult]
    day_close: DayCloseAnswer
    advice: AdviceFigures
    kiosk_absence: str
    missions: MissionFigures
    vehicle_absence: str
    invariants: Mapping[str, bool]

    @property
    def held(self) -> bool:
        """Whether invariants were checked and every one held: the demo's exit code."""
        return bool(self.invariants) and all(self.invariants.values())

    def to_json(self) -> str:
        """The summary as one JSON object, money as decimal strings, with `ok` first."""
        return json.dumps(self._fields(), indent=2, ensure_ascii=False) + "\n"

    def _fields(self) -> dict[str, Any]:  # Any: a JSON value
        fields: dict[str, Any] = {"ok": self.held}
        fields |= {name: getattr(self, name) for name in self.__slots__}
        fields["out"] = str(self.out)
        fields["sales_total"] = {currency: str(amount) for currency, amount in self.sales_total.items()}
        fields["streams"] = {stream: _figures(result) for stream, result in self.streams.items()}
        del fields["advice"], fields["missions"]
        fields |= {name: getattr(self.advice, name) for name in AdviceFigures.__slots__}
        fields |= {name: getattr(self.missions, name) for name in MissionFigures.__slots__}
        fields["targets_ms"] = dict(TARGETS_MS)
        fields["invariants"] = dict(self.invariants)
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}


def _figures(result: StreamResult) -> dict[str, int]:
    return {name: getattr(result, name) for name in StreamResult.__slots__}
