"""JSON lines: every CloudEvent as it is stored, one a line."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["JsonLinesFile"]


class JsonLinesFile:
    """An EventFile."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, bodies: Sequence[bytes]) -> None:
        self._file.writelines(body + b"\n" for body in bodies)

    def finish(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
