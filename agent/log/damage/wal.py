"""Looks at a log's files before and after SQLite opens them, for damage that SQLite takes for an ordinary end.

SQLite reads a write-ahead log up to the first frame whose checksum is wrong, and forgets what comes after: right for a
commit that a power cut tore, wrong for a flipped bit. One commit at a time is on its way to the disk, so at most one
can be torn: two commits behind the first bad frame are damage. A log whose own header is damaged is forgotten whole.

File format: https://sqlite.org/fileformat2.html, sections 1.3 and 4.
"""

import os
import struct
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
        sound = int.from_bytes(header[:4]) in WAL_MAGIC and _checksum(header[:24], _word_order(header)) == header[24:]
        if not sound:
            return f"{wal} is damaged: its header does not match its checksum"
    return ""


@dataclass(frozen=True, slots=True)
class WalFrames:
    """The commits of a write-ahead log as its frames' headers tell them, each by its last frame; they count from 1."""

    wal: Path
    commits: tuple[int, ...]

    @classmethod
    def read(cls, file: Path) -> "WalFrames":
        """Those of the log beside a file; of frames that were written since the log last began anew.

        Raises:
            OSError: it cannot be read.
        """
        wal = file.with_name(f"{file.name}-wal")
        if not wal.is_file():
            return cls(wal, ())
        with wal.open("rb", buffering=0) as opened:
            header = opened.read(WAL_HEADER_BYTES)
            salt, frame = header[16:24], FRAME_HEADER_BYTES + PAGE_BYTES
            count = max(0, os.fstat(opened.fileno()).st_size - WAL_HEADER_BYTES) // frame
            commits = []
            for number in range(count):
                told = os.pread(opened.fileno(), 16, WAL_HEADER_BYTES + number * frame)
                if told[8:16] == salt and any(told[4:8]):
                    commits.append(number + 1)
        return cls(wal, tuple(commits))

    def damage_behind(self, valid_frames: int) -> bool:
        """Whether SQLite, which found so many valid frames, left out more than a torn commit.

        It leaves out whole frames, too, which it has in the database already: when another connection's memory says
        that the log begins anew. So what looks like damage is looked at closely, which takes a while.

        Raises:
            OSError: the log cannot be read.
        """
        return self._commits_behind(valid_frames) > TORN_COMMITS_MAX < self._commits_behind(self._sound_frames())

    def _commits_behind(self, frame: int) -> int:
        return sum(commit > frame for commit in self.commits)

    def _sound_frames(self) -> int:
        """How many frames from the first on match their checksums, each of which goes on from the one before."""
        with self.wal.open("rb") as opened:
            header = opened.read(WAL_HEADER_BYTES)
            order, sums = _word_order(header), header[24:]
            for sound in range(max(self.commits, default=0)):
                frame = opened.read(FRAME_HEADER_BYTES + PAGE_BYTES)
                sums = _checksum(frame[:8] + frame[FRAME_HEADER_BYTES:], order, sums)
                if sums != frame[16:24] or frame[8:16] != header[16:24]:
                    return sound
        return max(self.commits, default=0)


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


def _word_order(header: bytes) -> Literal["<", ">"]:
    """A write-ahead log says itself in which order of bytes its words are summed up."""
    return ">" if header[3] & 1 else "<"


def _checksum(content: bytes, order: Literal["<", ">"], sums: bytes = bytes(8)) -> bytes:
    """The checksum of section 4.2, going on from `sums`."""
    first, second = struct.unpack(">II", sums)
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFF_FFFF
        second = (second + other + first) & 0xFFFF_FFFF
    return struct.pack(">II", first, second)
