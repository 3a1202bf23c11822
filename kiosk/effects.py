"""What the state wants done, as values; posts are not among them, since `State.posts` itself is the queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kiosk.state import State

__all__ = ["Ask", "Effect", "Find", "FindCode", "Follow", "LookUp", "Step", "StopVehicles"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for a decision for a basket version."""

    version: int
    body: Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class LookUp:
    """Read these products."""

    skus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Find:
    """Search for what was typed."""

    query: str


@dataclass(frozen=True, slots=True)
class FindCode:
    """Find the product of a code."""

    gtin: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Watch a till request until it ends."""

    request_id: str


@dataclass(frozen=True, slots=True)
class StopVehicles:
    """Tell the agent to stop all vehicles: at once, again until it answers, and never after `until_s`."""

    request_id: str
    until_s: float


Effect = Ask | LookUp | Find | FindCode | Follow | StopVehicles
Step = tuple[State, tuple[Effect, ...]]
"""The next state, and what is to be done."""
