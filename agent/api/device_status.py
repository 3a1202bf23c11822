"""What one agent says about itself at /v1/status."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from agent.api.caller import ListenerKind
from agent.event_types import Stream
from agent.fleet.vehicle_status import VehicleStatus
from agent.link import LinkStatus

__all__ = [
    "DeviceStatus",
    "ListenerState",
    "ListenerStatus",
    "LogStatus",
    "PlaceStatus",
    "StorageState",
    "StorageStatus",
    "StreamStatus",
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ListenerState(StrEnum):
    """How a way in stands."""

    LISTENING = "listening"
    OFF = "off"
    FAILED = "failed"


class ListenerStatus(_Part):
    """One way in: where, and when it is closed, why."""

    kind: ListenerKind
    state: ListenerState
    address: str
    problem: str = ""


class PlaceStatus(_Part):
    """A place in a stream; epoch number and sequence are 0 before the first event."""

    epoch: int
    sequence: int


class StreamStatus(_Part):
    """One stream: its last event, how far the cloud has acknowledged, and how many events are in between."""

    stream: Stream
    head: PlaceStatus
    cursor: PlaceStatus
    waiting: int
    oldest_waiting: datetime | None
    """When the first of these was recorded; null when nothing waits, or damage hides it."""


class LogStatus(_Part):
    """The event log."""

    epoch: str
    waiting: int
    queued: int
    damaged: int
    streams: list[StreamStatus]


class StorageState(StrEnum):
    """Whether events can be stored."""

    OK = "ok"
    SHORT = "short"
    """Only the reserve is left: sheddable streams are refused."""
    FULL = "full"
    READ_ONLY = "read_only"
    FAILED = "failed"


class StorageStatus(_Part):
    """The log's disk: whether it takes events and why not, how much room is left, and what was given up or kept aside.

    `shed` counts since the start. `quarantined` is -1 when that cannot be read.
    """

    state: StorageState
    problem: str
    room_bytes: int
    reserve_bytes: int
    shed: int
    quarantined: int
    salvages_pending: int
    bytes_written_per_event: float | None


class DeviceStatus(_Part):
    """One agent, now."""

    at: datetime
    """When this was said, by the agent's clock."""
    version: str
    site: str
    device: str
    started: datetime
    uptime_s: float
    data_folder: str
    log: LogStatus
    storage: StorageStatus
    link: LinkStatus
    listeners: list[ListenerStatus]
    products: int
    tills: int
    packs: dict[str, int]
    """The version of each set of data that came down; 0 before the first."""
    vehicles: list[VehicleStatus]
    problems: list[str]
    """What needs somebody, in plain words; empty when all is well."""
