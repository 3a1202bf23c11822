"""Bytes as people read them: in the largest unit of which there is one, in steps of a thousand."""

from typing import Final

__all__ = ["size_text"]

_UNITS: Final = (("MB", 1_000_000), ("kB", 1_000))


def size_text(size_bytes: float) -> str:
    """E.g. `343.9 MB`, `1.2 kB`, `0 bytes`."""
    for unit, size in _UNITS:
        if size_bytes >= size:
            return f"{size_bytes / size:,.1f} {unit}"
    return f"{size_bytes:.0f} bytes"
