"""Who is calling: the listener the call came in by, and the producer it speaks for."""

from dataclasses import dataclass
from enum import StrEnum

from agent.producers import Producer

__all__ = ["Caller", "ListenerKind"]


class ListenerKind(StrEnum):
    """The ways in."""

    UNIX = "unix"
    LOOPBACK = "loopback"
    LAN = "lan"


@dataclass(frozen=True, slots=True)
class Caller:
    """One admitted caller. `name` is None for one that did not say; `producer` only for a registered one."""

    listener: ListenerKind
    name: str | None = None
    producer: Producer | None = None

    def may_write(self, type_name: str) -> bool:
        """Whether events of this type are within its job; a local process without registration may write all."""
        if self.producer is not None:
            return self.producer.may_write(type_name)
        return self.listener is ListenerKind.UNIX
