"""What the link says about itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.event_types import Stream

__all__ = ["LinkState", "LinkStatus"]


class LinkState(StrEnum):
    """Where the link stands."""

    DISABLED = "disabled"
    CONNECTING = "connecting"
    ONLINE = "online"
    OFFLINE = "offline"
    REFUSED = "refused"
    """The broker or our own settings say no: trying again goes on, but somebody has to change something."""


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
    redelivered: int
    """Events handed over more than once."""
    unheard: int
    """Publishes that the broker took although nobody subscribes."""
    refused: Mapping[str, int]
    """Publishes the broker refused, by reason code and name."""
    troubles: Mapping[Stream, str]
    """Streams that do not get through, each with the reason."""
    reconnects: int
    puback_p50_ms: float | None
    puback_p99_ms: float | None
