"""A vehicle's names on the broker: identity, topics (`uagv/v2/{manufacturer}/{serial}/{topic}`) and version."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.errors import CallerError

__all__ = ["FleetTopic", "IdentityRefused", "ProtocolVersion", "VehicleIdentity"]

INTERFACE_DEFAULT: Final = "uagv"
_INTERFACE: Final = re.compile(r"[^/+#$\x00]{1,64}")
_MANUFACTURER: Final = re.compile(r"[^/+#$\x00]{1,64}")
_SERIAL: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")  # 2.1: 6.3


class IdentityRefused(CallerError):
    """A name that cannot be a level of a vehicle's topics."""


class ProtocolVersion(StrEnum):
    """The versions of VDA 5050 that a vehicle can speak."""

    V2_0_0 = "2.0.0"
    V2_1_0 = "2.1.0"

    @property
    def major(self) -> str:
        """The number that stands in the topic."""
        return self.value.partition(".")[0]


class FleetTopic(StrEnum):
    """The last level of a topic."""

    ORDER = "order"
    INSTANT_ACTIONS = "instantActions"
    STATE = "state"
    VISUALIZATION = "visualization"
    CONNECTION = "connection"
    FACTSHEET = "factsheet"


@dataclass(frozen=True, slots=True)
class VehicleIdentity:
    """Who a vehicle is on the broker, and which version it speaks there."""

    manufacturer: str
    serial_number: str
    version: ProtocolVersion = ProtocolVersion.V2_0_0
    interface: str = INTERFACE_DEFAULT

    def __post_init__(self) -> None:
        _check(_INTERFACE, self.interface, "interface name")
        _check(_MANUFACTURER, self.manufacturer, "manufacturer")
        _check(_SERIAL, self.serial_number, "serial number")

    def topic(self, topic: FleetTopic) -> str:
        """The full topic, e.g. `uagv/v2/acme/7/order`."""
        return "/".join((self.interface, f"v{self.version.major}", self.manufacturer, self.serial_number, topic))

    def topic_of(self, text: str) -> FleetTopic | None:
        """Which of this vehicle's topics a text is; `None` for everybody else's."""
        own, _, last = text.rpartition("/")
        if own != self.topic(FleetTopic.ORDER).rpartition("/")[0]:
            return None
        return next((topic for topic in FleetTopic if topic == last), None)


def _check(pattern: re.Pattern[str], text: str, what: str) -> None:
    if not pattern.fullmatch(text):
        raise IdentityRefused(f"{what} {text[:80]!r}: expected 1 to 64 characters without / + # $, as a topic level")
