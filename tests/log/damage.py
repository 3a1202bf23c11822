"""Damages files as disks do, and puts what is no log of ours in a log's place."""

from pathlib import Path
from random import Random

from agent.log.schema import FORMAT, PAGE_BYTES
from tests.log.world import raw

__all__ = ["flip_body", "newer_format", "no_log", "noise", "overwrite_leaf"]


def overwrite_leaf(file: Path, marker: bytes) -> None:
    """Destroy the header of the page that holds `marker`."""
    content = bytearray(file.read_bytes())
    start = content.index(marker) // PAGE_BYTES * PAGE_BYTES
    content[start : start + 8] = b"\x55" * 8
    file.write_bytes(content)


def flip_body(file: Path, event_id: str) -> None:
    """Change a byte of one sales event's body."""
    with raw(file) as connection:
        changed = "substr(body, 1, 50) || x'21' || substr(body, 52)"
        assert connection.execute(f"UPDATE event_sales SET body = {changed} WHERE id = ?", (event_id,)).rowcount == 1


def newer_format(file: Path) -> None:
    with raw(file) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")


def no_log(file: Path) -> None:
    file.unlink()
    with raw(file) as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")


def noise(file: Path) -> None:
    file.write_bytes(Random(1).randbytes(20_000))
