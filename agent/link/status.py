"""What the link says about itself."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.event_types import Stream
from agent.link.parking import ParkedRange
from agent.link.replay import ReplayStatus

__all__ = ["LinkState", "LinkStatus", "ParkedStatus", "parked_status"]


class LinkState(StrEnum):
    """Where the link stands."""

    DISABLED = "disabled"
    CONNECTING = "connecting"
    ONLINE = "online"
    OFFLINE = "offline"
    REFUSED = "refused"
    """The broker or our own settings say no: trying again goes on, but somebody has to change something."""


@dataclass(frozen=True, slots=True)
class ParkedStatus:
    """Events of one stream that the broker does not take for one reason; they stay in the log."""

    stream: Stream
    events: int
    code: int
    """The MQTT 5 reason code; 0 where the connection breaks each time they are sent."""
    reason: str
    """In plain words."""
    due: int = 0
    """How many of them are being tried again, or are as soon as a connection has room for them."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One moment of the link. Counts are since the agent's start."""

    state: LinkState
    since: datetime
    reason: str
    """In plain words; empty when all is well."""
    broker: str
    protocol: str
    """The MQTT version of the last connection that came about; empty before the first."""
    verifiable: bool
    """Whether what the broker does not take is noticed: by MQTT 5's reason codes, or by the ledger's receipts."""
    in_flight: int
    """Publishes without an answer."""
    published: int
    """Events handed to the broker, repetitions included."""
    acknowledged: int
    """Events for which the broker said success."""
    acknowledged_bytes: int
    """What they had as payloads, as sent."""
    redelivered: int
    """Events handed over more than once."""
    unheard: int
    """Publishes that the broker took although nobody subscribes."""
    refused: Mapping[str, int]
    """Publishes the broker refused, by reason code and name."""
    troubles: Mapping[Stream, str]
    """Streams that do not get through, each with the reason."""
    parked: tuple[ParkedStatus, ...]
    """What the broker does not take and others do not wait for, by stream and reason."""
    replay: ReplayStatus | None
    """The last replay, going or over; null before the first."""
    caught_up_at: datetime | None
    """When nothing will wait any more, by the rate of the last seconds; null when nothing waits, or when that is not
    known or never."""
    publishes_per_s: float | None
    """How many publishes may leave a second, by the settings or as the broker's refusals taught; null without limit."""
    encoding: str
    """How batches are compressed now; empty when they are not."""
    plain_bytes: int
    """Of the events handed to the broker, repetitions included."""
    sent_bytes: int
    """The same as they were sent; fewer where they were compressed."""
    reconnects: int
    puback_p50_ms: float | None
    puback_p99_ms: float | None


def parked_status(ranges: Iterable[ParkedRange], now_s: float) -> tuple[ParkedStatus, ...]:
    """What is parked, by stream and reason."""
    found: dict[tuple[Stream, int], list[ParkedRange]] = defaultdict(list)
    for one in ranges:
        found[one.stream, one.code].append(one)
    return tuple(
        ParkedStatus(
            stream,
            sum(one.events for one in of),
            code,
            of[0].reason,
            sum(one.events for one in of if one.retry_at_s <= now_s),
        )
        for (stream, code), of in sorted(found.items())
    )
