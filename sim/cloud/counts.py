"""Reads a running or finished ledger for those who watch: how much arrived, what was sold, how long it took."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from agent.event_types import Stream
from agent.log.records import SEQUENCE_BITS
from agent.log.schema import event_table
from sim.cloud.schema import open_ledger_reader

__all__ = ["LedgerWatch", "Window"]

_COUNTED: Final = "SELECT stream, sum(counted) FROM streams WHERE device = ? GROUP BY stream"
_TOTALS: Final = "SELECT currency, total FROM totals WHERE device = ?"
_ANSWERED: Final = "SELECT count(*), coalesce(min(ok), 0) FROM days WHERE device = ? AND business_day = ?"
_IDENTITIES: Final = """
    SELECT e.source, e.id FROM events AS e JOIN streams AS s ON s.number = e.stream WHERE s.device = ? AND e.counted = 1
"""
_BODIES: Final = """
    SELECT e.body FROM events AS e JOIN streams AS s ON s.number = e.stream
    WHERE s.device = ? AND e.type = ? AND e.counted = 1 ORDER BY e.number
"""
_EVENT_BYTES: Final = "SELECT coalesce(sum(length(body)), 0) FROM log.{table}"
_TIMES_MS: Final = """
    SELECT (arrived.received_monotonic_ns / 1000 - mine.monotonic_us) / 1000.0
    FROM events AS arrived
    JOIN streams AS s ON s.number = arrived.stream AND s.stream = :stream AND s.device = :device
    JOIN log.epoch AS e ON e.id = s.epoch
    JOIN log.{table} AS mine ON mine.place = (e.number << {bits} | arrived.sequence) AND mine.id = arrived.id
"""
_OF_THE_LAST: Final = " WHERE arrived.number > (SELECT max(number) FROM events) - :events"
_OF_A_WINDOW: Final = " WHERE mine.monotonic_us BETWEEN :begins_us AND :ends_us"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the machine's monotonic clock, in seconds."""

    begins_s: float
    ends_s: float


class LedgerWatch:
    """One device's part of a ledger beside that device's log, read while both are being written.

    Times compare the monotonic clocks of both ends, so both must have been written on one machine.
    """

    def __init__(self, ledger_file: Path, log_file: Path, device: str) -> None:
        self._device = device
        self._connection = open_ledger_reader(ledger_file)
        self._connection.execute("ATTACH DATABASE ? AS log", (f"{log_file.absolute().as_uri()}?mode=ro",))

    def close(self) -> None:
        self._connection.close()

    def delivered(self) -> dict[Stream, int]:
        """Events that took effect, by stream."""
        rows = self._connection.execute(_COUNTED, (self._device,))
        return {Stream(stream): count for stream, count in rows}

    def identities(self) -> set[tuple[str, str]]:
        """(producer, event id) of every event that took effect."""
        rows = self._connection.execute(_IDENTITIES, (self._device,))
        return {(source.rpartition("/")[2], event_id) for source, event_id in rows}

    def data_of(self, type_name: str) -> Iterator[dict[str, Any]]:  # Any: JSON
        """The `data` of every event of a type that took effect, in the order of arrival."""
        rows = self._connection.execute(_BODIES, (self._device, type_name))
        return (json.loads(body)["data"] for (body,) in rows)

    def sales_totals(self) -> dict[str, Decimal]:
        """What was sold, by currency, as the ledger kept it up."""
        return {currency: Decimal(total) for currency, total in self._connection.execute(_TOTALS, (self._device,))}

    def day_answer(self, business_day: str) -> bool | None:
        """Whether the ledger agrees with a day's close in every part; None before it answered."""
        answers, agreed = self._connection.execute(_ANSWERED, (self._device, business_day)).fetchone()
        return bool(agreed) if answers else None

    def event_bytes(self) -> int:
        """The size of all events in the device's log, as stored."""
        counts = (self._connection.execute(_EVENT_BYTES.format(table=event_table(stream))) for stream in Stream)
        return sum(count for ((count,),) in counts)

    def recent_times_ms(self, events: int) -> list[float]:
        """Milliseconds from submission to arrival of the ledger's last few events."""
        return self._times_ms(_OF_THE_LAST, {"events": events})

    def times_ms(self, windows: Sequence[Window]) -> list[float]:
        """Milliseconds from submission to arrival of every event submitted in one of these windows."""
        return [
            took_ms
            for window in windows
            for took_ms in self._times_ms(
                _OF_A_WINDOW,
                {"begins_us": int(window.begins_s * 1_000_000), "ends_us": int(window.ends_s * 1_000_000)},
            )
        ]

    def _times_ms(self, which: str, parameters: dict[str, int]) -> list[float]:
        found: list[float] = []
        for stream in Stream:
            statement = _TIMES_MS.format(table=event_table(stream), bits=SEQUENCE_BITS) + which
            rows = self._connection.execute(statement, {"stream": stream, "device": self._device, **parameters})
            found += [took_ms for (took_ms,) in rows]
        return found
