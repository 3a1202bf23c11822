"""What every event type is: a frozen model of its data, a name with a version, and the stream it belongs to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict

__all__ = ["SHED_ORDER", "TYPE_PREFIX", "EventData", "EventType", "Stream", "event_type", "registered_types"]

TYPE_PREFIX: Final = "dev.storeforward."


class Stream(StrEnum):
    """The unit of order: sequences are contiguous per device, stream and epoch."""

    SALES = "sales"
    STOCK = "stock"
    AGV = "agv"
    KIOSK = "kiosk"
    TOUCH = "touch"
    AUDIT = "audit"
    HEALTH = "health"
    SENSOR = "sensor"


SHED_ORDER: Final = (Stream.SENSOR, Stream.HEALTH, Stream.TOUCH, Stream.KIOSK)
"""Streams of which events may be given up when there is no room, the first first; the others are never shed."""


class EventData(BaseModel):
    """Base of all event bodies: frozen, and a field it does not know is refused, so that a typo loses nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the vocabulary: `name` is the short form, such as `pos.sale.v1`; `prefix` makes it the full one."""

    name: str
    stream: Stream
    model: type[EventData]
    prefix: str = TYPE_PREFIX

    @property
    def full_name(self) -> str:
        """The CloudEvents `type`."""
        return self.prefix + self.name

    @property
    def is_audit(self) -> bool:
        """Whether only the agent itself may make such events: the cloud takes its word for them."""
        return self.name.startswith("audit.")


_Model = TypeVar("_Model", bound=type[EventData])
_registry: dict[str, EventType] = {}


def event_type(name: str, stream: Stream) -> Callable[[_Model], _Model]:
    """Registers the decorated model as event type `name` of `stream`."""

    def register(model: _Model) -> _Model:
        if name in _registry:
            raise ValueError(f"event type {name} is defined twice")
        _registry[name] = EventType(name, stream, model)
        return model

    return register


def registered_types() -> Mapping[str, EventType]:
    """The event types of all modules that were imported, by short name; ask `agent.event_types` for the whole."""
    return MappingProxyType(_registry)
