"""What every kind of export file can do."""

from collections.abc import Sequence
from typing import Protocol

__all__ = ["EventFile"]


class EventFile(Protocol):
    """One file that is being written, in portions; complete after `finish` and `close`."""

    def write(self, bodies: Sequence[bytes]) -> None:
        """Add stored CloudEvents."""
        ...

    def finish(self) -> None:
        """Write what comes last."""
        ...

    def close(self) -> None:
        """Let go of it, complete or not."""
        ...
