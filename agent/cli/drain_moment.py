"""How far `storeforward drain` is: what was recorded before it began, and how much of that is acknowledged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Moment", "Speed", "moment_of"]

Document = Mapping[str, Any]  # Any: the JSON of /v1/status


SHORTEST_S: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Speed:
    """Events, and bytes of payload, that are acknowledged in a second."""

    events_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """How far it is. `left` counts events recorded before it began that the broker has not acknowledged.

    Of those that are `parked`, `due` are being tried again.
    `unheard` counts the publishes since the agent's start that it took though nobody subscribes.
    """

    total: int
    left: int
    bytes_sent: int
    took_s: float
    link: str
    reason: str
    parked: int
    due: int
    unheard: int

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return not self.left and not self.due

    @property
    def sent(self) -> int:
        """Events that are gone."""
        return self.total - self.left

    def speed(self, earlier: "Moment | None" = None) -> "Speed":
        """How fast it has been since an earlier moment, or since the beginning."""
        sent, bytes_sent, took_s = (earlier.sent, earlier.bytes_sent, earlier.took_s) if earlier else (0, 0, 0.0)
        went_s = max(self.took_s - took_s, SHORTEST_S)
        return Speed((self.sent - sent) / went_s, (self.bytes_sent - bytes_sent) / went_s)


def moment_of(goal: Document, now: Document, took_s: float) -> Moment:
    """How far it is, from the status at the beginning and now."""
    heads = {stream["stream"]: stream["head"] for stream in goal["log"]["streams"]}
    link = now["link"]
    return Moment(
        total=goal["log"]["waiting"],
        left=min(goal["log"]["waiting"], sum(_left(one, heads[one["stream"]]) for one in now["log"]["streams"])),
        bytes_sent=link["acknowledged_bytes"] - goal["link"]["acknowledged_bytes"],
        took_s=took_s,
        link=link["state"],
        reason=link["reason"],
        parked=sum(one["events"] for one in link["parked"]),
        due=sum(one["due"] for one in link["parked"]),
        unheard=link["unheard"],
    )


def _left(stream: Document, goal: Document) -> int:
    """How many of a stream's events up to a place are still to be acknowledged."""
    cursor, head = stream["cursor"], stream["head"]
    waiting = int(stream["waiting"])
    if not waiting or (cursor["epoch"], cursor["sequence"]) >= (goal["epoch"], goal["sequence"]):
        return 0  # a cursor stays before what is gone from the log, as long as nothing follows that
    newer = head["sequence"] - (goal["sequence"] if head["epoch"] == goal["epoch"] else 0)
    return max(1, waiting - int(newer))
