"""Looks through a whole log file, stopped or copied: the file's structure, and every row against its checksum."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.errors import LogUnreadable, StorageFailed
from agent.event_types import Stream
from agent.log.copies.backup import Progress
from agent.log.reading.reader import intact
from agent.log.records import Place
from agent.log.schema import check_format, event_table, fault_of, journal_checksum, open_reader

__all__ = ["Findings", "check_log", "tables_of"]

STRUCTURE_PROBLEMS_MAX: Final = 20
DAMAGED_ROWS_MAX: Final = 1_000
"""More are counted, not named."""
ROWS_PER_STEP: Final = 4_096

_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table'"
_ROWS: Final = "SELECT place, id, crc, body FROM {table} ORDER BY place"
_JOURNAL: Final = "SELECT name, number, crc, body FROM journal"


@dataclass
class Findings:
    """What a log file holds, and what of it is damaged."""

    format: int
    events: dict[str, int] = field(default_factory=dict)
    """Whole events by stream, of streams that have any."""
    damaged: list[tuple[Stream, Place]] = field(default_factory=list)
    """The first events that do not match their checksum."""
    damaged_events: int = 0
    quarantined: int = 0
    """Damaged events that the agent has put aside before."""
    structure: list[str] = field(default_factory=list)
    """What is wrong with the file beyond single events."""

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged that the agent does not know of."""
        return not (self.structure or self.damaged_events)


def check_log(file: Path, *, progress: Progress = lambda _done, _total: None) -> Findings:
    """Read all of a file; what is damaged is told, not raised.

    Raises:
        LogUnreadable: it is no log, of a newer version, or its first page is gone.
        StorageFailed: it cannot be read.
    """
    try:
        with closing(open_reader(file)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            tables = tables_of(connection)
            check_format(file, version)
            findings = Findings(version)
            findings.structure += _structure(file, connection)
            _check_rows(file, connection, tables, findings, progress)
    except sqlite3.Error as error:
        raise fault_of(file, error) from error
    return findings


def tables_of(connection: sqlite3.Connection) -> frozenset[str]:
    """The names of all tables, over a connection whose texts come as bytes."""
    return frozenset(name.decode(errors="replace") for (name,) in connection.execute(_TABLES))


def _structure(file: Path, connection: sqlite3.Connection) -> Iterator[str]:
    try:
        for (line,) in connection.execute(f"PRAGMA integrity_check({STRUCTURE_PROBLEMS_MAX})"):
            text = line.decode(errors="replace")
            if text != "ok":
                yield from text.splitlines()
    except sqlite3.DatabaseError as error:
        yield _damage(file, error)


def _check_rows(
    file: Path, connection: sqlite3.Connection, tables: frozenset[str], findings: Findings, progress: Progress
) -> None:
    streams = [stream for stream in Stream if event_table(stream) in tables]
    counts = {stream: _count(connection, event_table(stream)) for stream in streams}
    done, total = 0, sum(counts.values())
    for stream in streams:
        try:
            for rows in _steps(connection, _ROWS.format(table=event_table(stream))):
                bad = [(stream, Place.of_key(row[0])) for row in rows if not intact(*row)]
                findings.damaged_events += len(bad)
                findings.damaged += bad[: DAMAGED_ROWS_MAX - len(findings.damaged)]
                if good := len(rows) - len(bad):
                    findings.events[stream] = findings.events.get(stream, 0) + good
                done += len(rows)
                progress(done, max(done, total))
        except sqlite3.DatabaseError as error:
            findings.structure.append(f"{stream}: {_damage(file, error)}")
    if "journal" in tables:
        findings.structure += _journal(file, connection)
    if "quarantine" in tables:
        findings.quarantined = _count(connection, "quarantine")


def _journal(file: Path, connection: sqlite3.Connection) -> Iterator[str]:
    try:
        for name, number, crc, body in connection.execute(_JOURNAL):
            text = name.decode(errors="replace")
            if not isinstance(body, bytes) or journal_checksum(text, number, body) != crc:
                yield f"entry {number} of the journal {text} does not match its checksum"
    except sqlite3.DatabaseError as error:
        yield f"journal: {_damage(file, error)}"


def _steps(connection: sqlite3.Connection, statement: str) -> Iterator[Sequence[tuple[int, object, object, object]]]:
    rows = connection.execute(statement)
    with closing(rows):
        while step := rows.fetchmany(ROWS_PER_STEP):
            yield step


def _count(connection: sqlite3.Connection, table: str) -> int:
    try:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a table of ours
    except sqlite3.DatabaseError:
        return 0  # whoever reads the rows tells
    return int(count)


def _damage(file: Path, error: sqlite3.DatabaseError) -> str:
    """What damage says; a fault of the disk is none.

    Raises:
        StorageFailed: when it is the disk.
    """
    fault = fault_of(file, error)
    if isinstance(fault, LogUnreadable):
        return str(error)
    raise StorageFailed(str(fault)) from error
