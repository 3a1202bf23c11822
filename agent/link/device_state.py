"""The retained `state` message: what the device says of itself, and what the broker says for it when it is gone."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agent.clock import Clock, clock_synchronised, rfc3339
from agent.errors import LogUnreadable, StorageFailed
from agent.event_types import Stream
from agent.log import CLOUD, EventLog

__all__ = ["DeviceState", "StateMessage", "WillMessage"]


class WillMessage(BaseModel):
    """What the broker says for a device that has gone without a word. `session` is the nonce of that connection."""

    model_config = ConfigDict(frozen=True)

    status: Literal["offline"] = "offline"
    session: str


class StateMessage(BaseModel):
    """What a device says of itself: how many events wait, and for how many seconds the oldest has."""

    model_config = ConfigDict(frozen=True)

    status: Literal["online", "offline"]
    version: str
    session: str
    waiting: int
    oldest_s: float
    epoch: str
    clock_synced: bool
    at: str
    """By the device's clock (RFC 3339, UTC)."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """One connection's state messages; `session` is a nonce, so that a reader knows whose will it reads."""

    log: EventLog
    clock: Clock
    version: str
    session: str

    def online(self) -> bytes:
        return self._said("online")

    def offline(self) -> bytes:
        return self._said("offline")

    def will(self) -> bytes:
        """Written now, said by the broker when nobody knows: no more in it than stays true."""
        return WillMessage(session=self.session).model_dump_json().encode()

    def _said(self, status: Literal["online", "offline"]) -> bytes:
        now = self.clock.wall()
        oldest_ms = self._oldest_recorded_ms()
        said = StateMessage(
            status=status,
            version=self.version,
            session=self.session,
            waiting=self.log.waiting(CLOUD),
            oldest_s=max(0.0, round(now.timestamp() - oldest_ms / 1000, 3)) if oldest_ms is not None else 0.0,
            epoch=self.log.epoch,
            clock_synced=clock_synchronised(),
            at=rfc3339(now),
        )
        return said.model_dump_json().encode()

    def _oldest_recorded_ms(self) -> int | None:
        waiting = [stream for stream in Stream if self.log.waiting(CLOUD, stream)]
        found: list[int] = []
        for stream in waiting:
            with suppress(LogUnreadable, StorageFailed):  # who sends the stream tells of that
                recorded_ms = self.log.first_recorded_ms(stream, self.log.cursor(CLOUD, stream))
                found += [] if recorded_ms is None else [recorded_ms]
        return min(found, default=None)
