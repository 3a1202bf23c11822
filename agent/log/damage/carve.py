"""Finds events in a damaged log file without trusting its structure: every table page is looked at by itself.

A row counts only when its checksum over place, id and body is right, so nothing wrong can be found, and it does not
matter in what state headers, schema, indexes or other pages are. Pages that the write-ahead log holds are looked at
too. Deleted rows whose page was not used again may be found as well.

File format: https://sqlite.org/fileformat2.html, sections 1.5, 1.6, 2.1 and 4.
"""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from agent.log.damage.wal import KEPT_WAL
from agent.log.schema import PAGE_BYTES, row_checksum

__all__ = ["CarvedRow", "carve"]

FILE_HEADER_BYTES: Final = 100
WAL_HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
LEAF_TABLE: Final = 0x0D
LEAF_HEADER_BYTES: Final = 8
COLUMNS: Final = 7
BODY_BYTES_MAX: Final = 1_048_576  # events are 64 KiB at most

_LOCAL_MAX: Final = PAGE_BYTES - 35
_LOCAL_MIN: Final = (PAGE_BYTES - 12) * 32 // 255 - 23
_OVERFLOW_BYTES: Final = PAGE_BYTES - 4
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8, 0, 0, 0)  # by serial type


class CarvedRow(NamedTuple):
    """One row of an event table, as it was written."""

    place_key: int
    id: bytes
    recorded_ms: int
    monotonic_us: int
    body: bytes


class _NoRow(Exception):
    """These bytes are no row of an event table."""


def carve(file: Path) -> Iterator[CarvedRow]:
    """Every intact row of the file and of the -wal beside it; the same row may come more than once.

    Raises:
        OSError: the file cannot be read.
    """
    with ExitStack() as opened:
        pages = _Pages(opened, file)
        for page in pages:
            yield from _rows(page, pages)


class _Pages:
    """All pages of a file and its write-ahead log, in any order, and the newest of a number."""

    def __init__(self, opened: ExitStack, file: Path) -> None:
        self._main = _mapped(opened, file)
        kept = file.with_name(KEPT_WAL)
        self._wal = _mapped(opened, kept if kept.exists() else file.with_name(f"{file.name}-wal"))
        self._frames: dict[int, int] = {}
        """Where in the write-ahead log the last frame of each page begins."""
        for at in self._frame_starts():
            self._frames[int.from_bytes(self._wal[at : at + 4])] = at

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._main), PAGE_BYTES):
            yield self._main[at : at + PAGE_BYTES]
        for at in self._frame_starts():
            yield self._wal[at + FRAME_HEADER_BYTES : at + FRAME_HEADER_BYTES + PAGE_BYTES]

    def versions(self, number: int) -> Sequence[bytes]:
        """The page of a number: as in the write-ahead log, then as in the file."""
        found = []
        if number in self._frames:
            at = self._frames[number] + FRAME_HEADER_BYTES
            found.append(self._wal[at : at + PAGE_BYTES])
        at = (number - 1) * PAGE_BYTES
        if 0 <= at < len(self._main):
            found.append(self._main[at : at + PAGE_BYTES])
        return found

    def _frame_starts(self) -> range:
        frame = FRAME_HEADER_BYTES + PAGE_BYTES
        whole = max(0, len(self._wal) - WAL_HEADER_BYTES) // frame
        return range(WAL_HEADER_BYTES, WAL_HEADER_BYTES + whole * frame, frame)


def _mapped(opened: ExitStack, file: Path) -> mmap.mmap | bytes:
    if not file.exists() or not file.stat().st_size:
        return b""
    descriptor = opened.enter_context(file.open("rb"))
    return opened.enter_context(mmap.mmap(descriptor.fileno(), 0, access=mmap.ACCESS_READ))


def _rows(page: bytes, pages: _Pages) -> Iterator[CarvedRow]:
    """The rows of one page, if it is the leaf of a table."""
    if len(page) < PAGE_BYTES or page[0] != LEAF_TABLE:
        return
    for cell in range(int.from_bytes(page[3:5])):
        pointer = LEAF_HEADER_BYTES + 2 * cell
        at = int.from_bytes(page[pointer : pointer + 2])
        if pointer + 2 > PAGE_BYTES or at < LEAF_HEADER_BYTES:
            return
        row = _row(page, at, pages)
        if row is not None:
            yield row


def _row(page: bytes, at: int, pages: _Pages) -> CarvedRow | None:
    """The row in a cell; of a body on overflow pages, their versions in the log and in the file are both tried."""
    try:
        size, at = _varint(page, at)
        key, at = _varint(page, at)
    except _NoRow:
        return None
    if not 0 < size <= BODY_BYTES_MAX:
        return None
    for version in (0, -1) if size > _LOCAL_MAX else (0,):
        try:
            row = _parsed(key, _payload(page, at, size, pages, version))
        except _NoRow:
            continue
        return row
    return None


def _payload(page: bytes, at: int, size: int, pages: _Pages, version: int) -> bytes:
    local = size
    if size > _LOCAL_MAX:
        surplus = _LOCAL_MIN + (size - _LOCAL_MIN) % _OVERFLOW_BYTES
        local = surplus if surplus <= _LOCAL_MAX else _LOCAL_MIN
    payload = bytearray(page[at : at + local])
    follows = int.from_bytes(page[at + local : at + local + 4]) if local < size else 0
    while len(payload) < size:
        found = pages.versions(follows)
        if not found:
            raise _NoRow
        follows = int.from_bytes(found[version][:4])
        payload += found[version][4 : 4 + size - len(payload)]
    return bytes(payload)


def _parsed(key: int, payload: bytes) -> CarvedRow:
    header_bytes, at = _varint(payload, 0)
    kinds: list[int] = []
    while at < header_bytes and len(kinds) <= COLUMNS:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    if len(kinds) != COLUMNS:
        raise _NoRow
    values: list[int | bytes] = []
    at = header_bytes
    for kind in kinds:
        value, at = _value(payload, kind, at)
        values.append(value)
    _, event_id, recorded_ms, _, monotonic_us, crc, body = values
    if isinstance(event_id, bytes) and isinstance(body, bytes) and row_checksum(key, event_id, body) == crc:
        return CarvedRow(key, event_id, _whole(recorded_ms), _whole(monotonic_us), body)
    raise _NoRow


def _value(payload: bytes, kind: int, at: int) -> tuple[int | bytes, int]:
    if kind >= 12:
        end = at + (kind - 12) // 2
        return payload[at:end], end
    if kind in (8, 9):
        return kind - 8, at
    if kind >= len(_INTEGER_BYTES) or kind == 7:
        raise _NoRow
    end = at + _INTEGER_BYTES[kind]
    return int.from_bytes(payload[at:end], signed=True), end


def _varint(source: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(9):
        if at >= len(source):
            raise _NoRow
        octet = source[at]
        at += 1
        if count == 8:
            return value << 8 | octet, at
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            break
    return value, at


def _whole(value: int | bytes) -> int:
    return value if isinstance(value, int) else 0
