"""Holds the device's log against the cloud's ledger, stream by stream, from the two files alone.

`missing` is what is in the log but not in the ledger, and every hole below the ledger's high-water mark.
`duplicates` are duplicate effects: an event that counts twice. `redelivered` are repeats on the wire, without effect.
`shed`, `quarantined` and `parked` are what the device itself declared given up, damaged, or not taken by the broker,
and what has not come all the same: neither missing nor in the ledger. They leave `ok` as it is: nothing is unaccounted
for.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from agent.errors import LogUnreadable
from agent.event_types import TYPE_PREFIX
from agent.log.records import SEQUENCE_BITS, SEQUENCE_MASK
from agent.log.schema import FORMAT
from agent.topics import DeviceName, TopicRefused
from sim.cloud.days import DAY_CLOSED, DayAnswer
from sim.cloud.schema import open_ledger_reader

__all__ = ["Reconciliation", "StreamCheck", "reconcile"]

_LOG_TABLES: Final = "SELECT name FROM log.sqlite_master WHERE type = 'table' AND name GLOB 'event_*'"
_LOG_HEADS: Final = """
    SELECT e.id, max(v.place & {mask}), count(*)
    FROM log.{table} AS v JOIN log.epoch AS e ON e.number = v.place >> {bits} GROUP BY e.number
"""
_LOG_SOURCE: Final = "SELECT source FROM log.event LIMIT 1"
_LOG_DAYS: Final = "SELECT body FROM log.event WHERE stream = 'audit' AND type = ?"
_STREAMS: Final = """
    SELECT s.device, s.stream, s.epoch, s.number, s.upto, s.counted, s.conflicts, s.redelivered,
        (SELECT count(*) FROM events AS v WHERE v.stream = s.number),
        (SELECT coalesce(min(v.sequence), 0) FROM events AS v WHERE v.stream = s.number),
        (SELECT coalesce(sum(last - first + 1), 0) FROM holes WHERE stream = s.number AND kind = 'missing'),
        (SELECT coalesce(sum(last - first + 1), 0) FROM holes WHERE stream = s.number AND kind = 'shed'),
        (SELECT coalesce(sum(last - first + 1), 0) FROM holes WHERE stream = s.number AND kind = 'quarantined'),
        (SELECT coalesce(sum(last - first + 1), 0) FROM holes WHERE stream = s.number AND kind = 'parked'),
        (SELECT count(DISTINCT v.sequence) FROM corrections AS c
            JOIN events AS v ON v.stream = c.stream AND v.sequence BETWEEN c.first AND c.last WHERE c.stream = s.number)
    FROM streams AS s ORDER BY s.number
"""
# In the log, at a sequence where the ledger has another event, and not kept aside as a conflict either.
_STRANGERS: Final = """
    SELECT count(*)
    FROM log.epoch AS e
    JOIN log.{table} AS mine ON mine.place >> {bits} = e.number
    JOIN events AS kept ON kept.stream = ?2 AND kept.sequence = mine.place & {mask}
    WHERE e.id = ?1 AND kept.id <> mine.id AND NOT EXISTS (
        SELECT 1 FROM conflicts AS c WHERE c.stream = ?2 AND c.sequence = kept.sequence AND c.id = mine.id
    )
"""
_TWICE: Final = """
    SELECT count(*), coalesce(sum(EXISTS (
        SELECT 1 FROM events AS first
        WHERE first.counted = 1 AND first.id = v.id AND first.source = v.source AND first.number < v.number
    )), 0)
    FROM events AS v WHERE v.stream = ? AND v.counted = 1
"""
_DAYS: Final = (
    "SELECT business_day, stream, epoch, min(ok), sum(count), sum(missing), sum(declared), sum(conflicts), problem"
    " FROM days WHERE device = ? GROUP BY business_day, stream, epoch ORDER BY business_day, stream, epoch"
)
_TOTALS: Final = (
    *("ok", "events", "missing", "duplicates", "conflicts", "redelivered"),
    *("shed", "quarantined", "parked", "clock_corrected"),
)
_DEAD: Final = "SELECT count(*) FROM dead_letters"


@dataclass(frozen=True, slots=True)
class StreamCheck:
    """One stream and epoch at both ends; `log_head` and `log_count` are None where no log was given or it has none."""

    device: str
    stream: str
    epoch: str
    log_head: int | None
    log_count: int | None
    ledger_count: int
    first_sequence: int
    last_sequence: int
    missing: int
    waiting: int
    """The part of `missing` that is beyond the ledger's last sequence: not sent yet, or lost at the end."""
    duplicates: int
    conflicts: int
    redelivered: int
    shed: int = 0
    quarantined: int = 0
    parked: int = 0
    clock_corrected: int = 0
    """Events in the ledger whose device said later by how much its clock had been wrong."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Everything that was compared; `ok` when nothing is missing, counted twice or in conflict."""

    streams: tuple[StreamCheck, ...]
    days: tuple[DayAnswer, ...]
    unanswered_days: tuple[str, ...]
    dead_letters: int

    @property
    def events(self) -> int:
        """Events in the ledger."""
        return sum(stream.ledger_count for stream in self.streams)

    @property
    def missing(self) -> int:
        return sum(stream.missing for stream in self.streams)

    @property
    def duplicates(self) -> int:
        return sum(stream.duplicates for stream in self.streams)

    @property
    def conflicts(self) -> int:
        return sum(stream.conflicts for stream in self.streams)

    @property
    def redelivered(self) -> int:
        return sum(stream.redelivered for stream in self.streams)

    @property
    def shed(self) -> int:
        return sum(stream.shed for stream in self.streams)

    @property
    def quarantined(self) -> int:
        return sum(stream.quarantined for stream in self.streams)

    @property
    def parked(self) -> int:
        return sum(stream.parked for stream in self.streams)

    @property
    def clock_corrected(self) -> int:
        return sum(stream.clock_corrected for stream in self.streams)

    @property
    def ok(self) -> bool:
        clean = not (self.missing or self.duplicates or self.conflicts)
        return clean and all(day.ok for day in self.days)

    def as_json(self) -> dict[str, Any]:  # Any: a JSON object
        """The totals first, then each stream and day."""
        return {name: getattr(self, name) for name in _TOTALS} | asdict(self)


def reconcile(ledger_file: Path, log_file: Path | None = None) -> Reconciliation:
    """Compares a ledger with the log of one device, or, without a log, looks at the ledger alone.

    Raises:
        LedgerUnusable: no ledger at that path.
        LogUnreadable: no log at that path.
    """
    with _opened(ledger_file, log_file) as connection:
        # The log first: of a running pair, the ledger may then be ahead, but never seem to lack what came later.
        heads = _log_heads(connection) if log_file else {}
        closed = _days_closed(connection) if log_file else {}
        rows = connection.execute(_STREAMS).fetchall()
        devices = {row[0] for row in rows if not log_file or (row[1], row[2]) in heads}
        if log_file:
            devices |= _log_device(connection)
        checks = [_check(connection, row, heads) for row in rows if row[0] in devices]
        seen = {(check.stream, check.epoch) for check in checks}
        checks += [_unheard(min(devices, default=""), key, *of_log) for key, of_log in heads.items() if key not in seen]
        days = [DayAnswer.of(row) for device in sorted(devices) for row in connection.execute(_DAYS, (device,))]
        answered = {(day.business_day, day.stream, day.epoch) for day in days}
        unanswered = sorted(day for day, ranges in closed.items() if not ranges <= answered)
        return Reconciliation(tuple(checks), tuple(days), tuple(unanswered), connection.execute(_DEAD).fetchone()[0])


@contextmanager
def _opened(ledger_file: Path, log_file: Path | None) -> Iterator[sqlite3.Connection]:
    connection = open_ledger_reader(ledger_file)
    try:
        if log_file is not None:
            _attach_log(connection, log_file)
        yield connection
    finally:
        connection.close()


def _attach_log(connection: sqlite3.Connection, file: Path) -> None:
    try:
        connection.execute("ATTACH DATABASE ? AS log", (f"{file.absolute().as_uri()}?mode=ro",))
        (version,) = connection.execute("PRAGMA log.user_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise LogUnreadable(f"cannot read {file} as an event log: {error}") from error
    if version != FORMAT:
        raise LogUnreadable(f"{file} has format {version}; expected an event log of format {FORMAT}")


def _log_heads(connection: sqlite3.Connection) -> dict[tuple[str, str], tuple[int, int]]:
    """Last sequence and rows of each stream and epoch that has rows in the log."""
    heads = {}
    for (table,) in connection.execute(_LOG_TABLES).fetchall():
        for epoch, head, count in connection.execute(_of_log(_LOG_HEADS, table)):
            heads[table.removeprefix("event_"), epoch] = (head, count)
    return heads


def _of_log(query: str, table: str) -> str:
    return query.format(table=table, mask=SEQUENCE_MASK, bits=SEQUENCE_BITS)


def _log_device(connection: sqlite3.Connection) -> set[str]:
    row = connection.execute(_LOG_SOURCE).fetchone()
    try:
        _, site, device, _ = row[0].split("/") if row else ("", "", "", "")
        DeviceName(site, device)
    except (ValueError, TopicRefused):
        return set()
    return {f"{site}/{device}"}


def _days_closed(connection: sqlite3.Connection) -> dict[str, set[tuple[str, str, str]]]:
    closed: dict[str, set[tuple[str, str, str]]] = {}
    for (body,) in connection.execute(_LOG_DAYS, (TYPE_PREFIX + DAY_CLOSED,)):
        data = json.loads(body)["data"]
        day = data["business_day"]
        closed.setdefault(day, set()).update((day, part["stream"], part["epoch"]) for part in data["ranges"])
    return closed


def _unheard(device: str, key: tuple[str, str], head: int, count: int) -> StreamCheck:
    """A stream of the log of which the ledger has nothing."""
    stream, epoch = key
    return StreamCheck(
        device=device,
        stream=stream,
        epoch=epoch,
        log_head=head,
        log_count=count,
        ledger_count=0,
        first_sequence=0,
        last_sequence=0,
        missing=head,
        waiting=head,
        duplicates=0,
        conflicts=0,
        redelivered=0,
    )


def _check(
    connection: sqlite3.Connection,
    row: tuple[Any, ...],  # Any: three texts and numbers, as `_STREAMS` names them
    heads: dict[tuple[str, str], tuple[int, int]],
) -> StreamCheck:
    (
        device,
        stream,
        epoch,
        number,
        upto,
        counted,
        conflicts,
        redelivered,
        held,
        first,
        holes,
        shed,
        quarantined,
        parked,
        corrected,
    ) = row
    head, log_count = heads.get((stream, epoch), (None, None))
    waiting = strangers = 0
    if head is not None:
        waiting = max(0, head - upto)
        strangers = connection.execute(_of_log(_STRANGERS, f"event_{stream}"), (epoch, number)).fetchone()[0]
    effects, twice = connection.execute(_TWICE, (number,)).fetchone()
    return StreamCheck(
        device=device,
        stream=stream,
        epoch=epoch,
        log_head=head,
        log_count=log_count,
        ledger_count=held,
        first_sequence=first,
        last_sequence=upto,
        missing=holes + waiting + strangers,
        waiting=waiting,
        # The running total was kept up as events arrived; more than the rows it stands for is an effect too many.
        duplicates=twice + max(0, counted - effects),
        conflicts=conflicts,
        redelivered=redelivered,
        shed=shed,
        quarantined=quarantined,
        parked=parked,
        clock_corrected=corrected,
    )
