"""What the device says of itself: alerts, business days, epochs of its log, what the log gave up, its health.

`audit.*` types are the agent's own word to the cloud; no producer can send them.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.event_fields import BusinessDay, Count, Flag, Instant, Key, Number, Text
from agent.event_model import EventData, Stream, event_type

__all__ = [
    "Alert",
    "ClockCorrected",
    "CorrectedRange",
    "DayClosed",
    "DayRange",
    "EpochStarted",
    "EventsParked",
    "EventsQuarantined",
    "EventsReleased",
    "EventsShed",
    "Health",
    "ReplayStarted",
    "ReplayedEvents",
    "ShedReadings",
]


@event_type("alert.v1", Stream.AUDIT)
class Alert(EventData):
    """Something a person should look at, or its end."""

    alert_id: Key
    kind: Key
    severity: Literal["info", "warning", "critical"]
    active: Flag
    message: Text
    subject: Key | None = None


class DayRange(EventData):
    """One stream's part of a business day; `sha256` is over `sequence:id` and a newline for each event in order.

    `count` and `sha256` are over the events that were there at the close. What was shed, parked or quarantined before
    is in its own number, and declared by an event of its own.
    """

    stream: Stream
    epoch: Key
    first_sequence: Count
    last_sequence: Count
    count: Count
    shed: Count = 0
    parked: Count = 0
    quarantined: Count = 0
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@event_type("audit.day_closed.v1", Stream.AUDIT)
class DayClosed(EventData):
    """What this device recorded between two closes, for the cloud to check like a till's day end."""

    business_day: BusinessDay
    ranges: Annotated[tuple[DayRange, ...], Field(max_length=64)]


@event_type("audit.epoch_started.v1", Stream.AUDIT)
class EpochStarted(EventData):
    """The log began a new epoch: sequences start at 1 again."""

    epoch: Key
    previous_epoch: Key | None = None
    reason: Literal["created", "restored", "behind_ledger", "damaged"]


class ShedReadings(EventData):
    """What is left of a sensor's readings that were shed."""

    sensor_id: Key
    measure: Key
    unit: Key
    count: Count
    minimum: Number
    maximum: Number
    mean: Number


@event_type("audit.events_shed.v1", Stream.AUDIT)
class EventsShed(EventData):
    """A tombstone: the events of these sequences were given up for want of room, before the cloud had them all.

    `count` events were there; the other sequences of the range were declared before.
    """

    stream: Stream
    epoch: Key
    first_sequence: Count
    last_sequence: Count
    count: Count
    reason: Literal["storage_pressure"]
    readings: Annotated[tuple[ShedReadings, ...], Field(max_length=64)] = ()


@event_type("audit.events_quarantined.v1", Stream.AUDIT)
class EventsQuarantined(EventData):
    """The events of these sequences are damaged and will not be sent.

    `checksum`: the stored bytes are not what was written, and are kept aside. `unreadable`: the file is damaged there.
    `lost`: a damaged log was replaced, and these were not found in it.
    """

    stream: Stream
    epoch: Key
    first_sequence: Count
    last_sequence: Count
    reason: Literal["checksum", "unreadable", "lost"]


@event_type("audit.events_parked.v1", Stream.AUDIT)
class EventsParked(EventData):
    """The cloud's broker does not take the events of these sequences; they stay in the log and can be sent later.

    `refused`: it said so, with `code` (MQTT 5) in its PUBACK. `too_large`: an event is beyond the broker's packet size.
    `breaks_connection`: each time it was sent, the connection ended; `code` is then 0.
    """

    stream: Stream
    epoch: Key
    first_sequence: Count
    last_sequence: Count
    reason: Literal["refused", "too_large", "breaks_connection"]
    code: Count


@event_type("audit.events_released.v1", Stream.AUDIT)
class EventsReleased(EventData):
    """The events of these sequences were quarantined or parked, and are sent after all."""

    stream: Stream
    epoch: Key
    first_sequence: Count
    last_sequence: Count


class ReplayedEvents(EventData):
    """How many events of one stream."""

    stream: Stream
    count: Count


@event_type("audit.replay_started.v1", Stream.AUDIT)
class ReplayStarted(EventData):
    """Somebody has delivered events sent once more: those recorded from one moment until right before another.

    They come again with the ids and sequences that they have, and take no effect twice.
    """

    requested_by: Key
    recorded_from: Instant
    recorded_before: Instant
    streams: Annotated[tuple[ReplayedEvents, ...], Field(max_length=64)]


class CorrectedRange(EventData):
    """Events of one stream whose times were off by the same amount."""

    stream: Stream
    epoch: Key
    first_sequence: Count
    last_sequence: Count
    add_ms: Annotated[int, Field(strict=True, ge=-(10**13), le=10**13)]


@event_type("audit.clock_corrected.v1", Stream.AUDIT)
class ClockCorrected(EventData):
    """The clock was set after events had been recorded by a wrong one.

    For each range, what is to be added to `time` and `recordedtime` as they stand in its events, which stay as they
    are. Only times that the agent itself took from its clock are meant.
    """

    synchronised_at: Instant
    ranges: Annotated[tuple[CorrectedRange, ...], Field(max_length=64)]


@event_type("health.v1", Stream.HEALTH)
class Health(EventData):
    """How the agent is doing, now and then."""

    uptime_s: Count
    events_waiting: Count
    disk_free_bytes: Count
    memory_bytes: Count
    connected: Flag
