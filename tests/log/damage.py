"""Damages files as disks do."""

from pathlib import Path

__all__ = ["overwrite_leaf"]


def overwrite_leaf(file: Path, marker: bytes) -> None:
    """Destroy the header of the page that holds `marker`."""
    content = bytearray(file.read_bytes())
    start = content.index(marker) // 4096 * 4096
    content[start : start + 8] = b"\x55" * 8
    file.write_bytes(content)
