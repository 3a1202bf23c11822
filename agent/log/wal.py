"""Looks at a log's files before and after SQLite opens them, for damage that SQLite takes for an ordinary end.

SQLite reads a write-ahead log up to the first frame whose checksum is wrong, and forgets what comes after: right for a
commit that a power cut tore, wrong for a flipped bit. One commit at a time is on its way to the disk, so at most one
can be torn: two commits behind the first bad frame are damage. A log whose own header is damaged is forgotten whole.

File format: https://sqlite.org/fileformat2.html, sections 1.3 and 4.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

__all__ = ["KEPT_WAL", "WalFrames", "damaged_header", "keep_wal"]

KEPT_WAL: Final = "events.sqlite-wal.kept"
MAGIC: Final = b"SQLite format 3\0"
WAL_MAGIC: Final = (0x377F0682, 0x377F0683)
WAL_HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
TORN_COMMITS_MAX: Final = 1
PAGE_BYTES: Final = 4_096


def damaged_header(file: Path) -> str:
    """What is wrong with the header of the file or of its write-ahead log; empty when nothing is, or neither is there.

    Raises:
        OSError: a file cannot be read.
    """
    start = _start(file, len(MAGIC))
    if start and start != MAGIC:
        return f"{file} is damaged: its header is not that of a database"
    wal = file.with_name(f"{file.name}-wal")
    header = _start(wal, WAL_HEADER_BYTES)
    if len(header) == WAL_HEADER_BYTES and any(header) and wal.stat().st_size > WAL_HEADER_BYTES:
        sound = int.from_bytes(header[:4]) in WAL_MAGIC and _checksum(header[:24]) == header[24:]
        if not sound:
            return f"{wal} is damaged: its header does not match its checksum"
    return ""


@dataclass(frozen=True, slots=True)
class WalFrames:
    """The commits of a write-ahead log as its frames' headers tell them, each by its last frame; they count from 1."""

    commits: tuple[int, ...]

    @classmethod
    def read(cls, file: Path) -> "WalFrames":
        """Those of the log beside a file; of frames that were written since the log last began anew.

        Raises:
            OSError: it cannot be read.
        """
        wal = file.with_name(f"{file.name}-wal")
        if not wal.is_file():
            return cls(())
        with wal.open("rb", buffering=0) as opened:
            header = opened.read(WAL_HEADER_BYTES)
            salt, frame = header[16:24], FRAME_HEADER_BYTES + PAGE_BYTES
            count = max(0, os.fstat(opened.fileno()).st_size - WAL_HEADER_BYTES) // frame
            commits = []
            for number in range(count):
                told = os.pread(opened.fileno(), 16, WAL_HEADER_BYTES + number * frame)
                if told[8:16] == salt and any(told[4:8]):
                    commits.append(number + 1)
        return cls(tuple(commits))

    def damage_behind(self, valid_frames: int) -> bool:
        """Whether SQLite, which found so many valid frames, left out more than a torn commit."""
        return sum(commit > valid_frames for commit in self.commits) > TORN_COMMITS_MAX


def keep_wal(file: Path) -> None:
    """Give the write-ahead log a second name: SQLite removes the first when the last connection closes.

    Raises:
        OSError: the folder cannot be written.
    """
    kept = file.with_name(KEPT_WAL)
    kept.unlink(missing_ok=True)
    os.link(f"{file}-wal", kept)


def _start(file: Path, size: int) -> bytes:
    if not file.is_file():
        return b""
    with file.open("rb", buffering=0) as opened:
        return opened.read(size)


def _checksum(content: bytes) -> bytes:
    """The checksum of a write-ahead log's header, which says itself in which order its words are summed up."""
    order: Literal["big", "little"] = "big" if content[3] & 1 else "little"
    first = second = 0
    for at in range(0, len(content), 8):
        one, other = (int.from_bytes(content[at + by : at + by + 4], order) for by in (0, 4))
        first = (first + one + second) & 0xFFFF_FFFF
        second = (second + other + first) & 0xFFFF_FFFF
    return first.to_bytes(4) + second.to_bytes(4)
