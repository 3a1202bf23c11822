"""The header of every message: counted and stamped on the way out, checked on the way in (2.1: 6.4)."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator

from agent.fleet.model import UINT32_MAX, WIRE, Uint32
from agent.fleet.topics import FleetTopic, VehicleIdentity

__all__ = ["Header", "HeaderCounters", "header_problem", "timestamp_text"]

_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)")
_VERSION: Final = re.compile(r"(\d{1,4})\.\d{1,4}\.\d{1,4}")


def _is_utc_time(text: str) -> str:
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError("expected ISO 8601 in UTC such as 2026-04-15T11:40:03.12Z")
    datetime.fromisoformat(text[:19])  # refuses the 31st of February
    return text


def _is_full_version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise ValueError("expected MAJOR.MINOR.PATCH such as 2.1.0")
    return text


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a received message."""

    __pydantic_config__ = WIRE

    header_id: Uint32
    timestamp: Annotated[str, AfterValidator(_is_utc_time)]
    version: Annotated[str, AfterValidator(_is_full_version)]
    manufacturer: str
    serial_number: str


def header_problem(header: Header, vehicle: VehicleIdentity) -> tuple[str, str] | None:
    """Field and reason why a message is not for this vehicle although its topic is, or `None`."""
    if header.version.partition(".")[0] != vehicle.version.major:
        return "version", f"{header.version} came on the topic of major version {vehicle.version.major}"
    if header.manufacturer != vehicle.manufacturer:
        return "manufacturer", f"{header.manufacturer[:80]!r} came on the topic of {vehicle.manufacturer!r}"
    if header.serial_number != vehicle.serial_number:
        return "serialNumber", f"{header.serial_number[:80]!r} came on the topic of {vehicle.serial_number!r}"
    return None


@dataclass(slots=True)
class HeaderCounters:
    """Makes headers: one counter per topic, from 0, plus 1 with each message, wrapping at 2**32."""

    vehicle: VehicleIdentity
    _next: dict[FleetTopic, int] = field(default_factory=dict)

    def header(self, topic: FleetTopic, now: datetime) -> dict[str, int | str]:
        """The next header of a topic, as it stands in the body."""
        header_id = self._next.get(topic, 0)
        self._next[topic] = 0 if header_id == UINT32_MAX else header_id + 1
        return {
            "headerId": header_id,
            "timestamp": timestamp_text(now),
            "version": self.vehicle.version.value,
            "manufacturer": self.vehicle.manufacturer,
            "serialNumber": self.vehicle.serial_number,
        }


def timestamp_text(moment: datetime) -> str:
    """UTC in hundredths of a second, as 2.x writes it: `2026-04-15T11:40:03.12Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:22] + "Z"
