"""What every kind of export file can do."""

from collections.abc import Sequence
from typing import Protocol

__all__ = ["EventFile"]


class EventFile(Protocol):
    """One file that is being written, in portions; complete after `close`."""

    def write(self, bodies: Sequence[bytes]) -> None:
        """Add stored CloudEvents."""
        ...

    def close(self) -> None:
        """Write what ends the file."""
        ...
