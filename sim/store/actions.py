"""What the simulated shop does next: one event to be sent to the agent, with its moment in shop time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["SensorAction", "TillAction"]


@dataclass(frozen=True, slots=True)
class TillAction:
    """One event of a till: `data` is valid for the event type `type`, but for the customer.

    `raw_customer` is set where the event has a `customer_id`: the till asks the agent for the pseudonym and fills it
    in. A retry has the same `event_id`.
    """

    at: datetime
    till_id: str
    type: str
    data: dict[str, Any]  # Any: JSON
    event_id: str
    raw_customer: str | None = None


@dataclass(frozen=True, slots=True)
class SensorAction:
    """One event of any other producer: a sensor, or the back office. A retry has the same `event_id`."""

    at: datetime
    producer: str
    type: str
    data: dict[str, Any]  # Any: JSON
    event_id: str
