"""The desks at which an operator's wishes are served: one for each kind."""

from typing import NamedTuple

from agent.quarantine_desk import QuarantineDesk
from agent.replay_desk import ReplayDesk

__all__ = ["Desks"]


class Desks(NamedTuple):
    """All of them."""

    quarantine: QuarantineDesk
    replay: ReplayDesk
