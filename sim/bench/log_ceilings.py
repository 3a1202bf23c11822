"""What SQLite alone takes for the log's work: the same rows in the same commits by `executemany`."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.events import Draft
from agent.log.identities import identity_key

__all__ = ["Rows", "bare_file", "bare_rows", "commit_bare", "commit_rows", "same_schema_file", "stored_rows"]

Rows = Mapping[str, Sequence[tuple[object, ...]]]
"""The rows of one commit, by the statement that inserts them."""

_PRAGMAS: Final = (
    "PRAGMA page_size = 4096",
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
)
_BARE_TABLE: Final = "CREATE TABLE event (id INTEGER PRIMARY KEY, body BLOB)"
_BARE_INSERT: Final = "INSERT INTO event (id, body) VALUES (?, ?)"
_SCHEMA: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND (name GLOB ? OR name GLOB ?)"


@contextmanager
def bare_file(folder: Path) -> Iterator[sqlite3.Connection]:
    """A table of id and body and nothing else."""
    with _opened(folder / "bare.sqlite") as connection:
        connection.execute(_BARE_TABLE)
        yield connection


@contextmanager
def same_schema_file(folder: Path, log_file: Path) -> Iterator[sqlite3.Connection]:
    """The log's tables of events and identities, with all their indexes."""
    with _opened(folder / "same.sqlite") as connection, closing(sqlite3.connect(log_file)) as log:
        for _, statement in log.execute(_SCHEMA, ("event_*", "identity_*")):
            connection.execute(statement)
        yield connection


def stored_rows(log_file: Path, commits: Sequence[Sequence[Draft]]) -> list[Rows]:
    """What the log wrote in each of its last commits: events, and identities in the order of their keys."""
    keys = [sorted(identity_key(draft.source, draft.id) for draft in drafts) for drafts in commits]
    with closing(sqlite3.connect(log_file)) as log:
        names = [name for name, _ in log.execute(_SCHEMA, ("event_*", "identity_*"))]
        events = dict(_events(log, [name for name in names if name.startswith("event_")], sum(map(len, commits))))
        identities = dict(_identities(log, [name for name in names if name.startswith("identity_")], keys))
    found: list[Rows] = []
    for drafts, its_keys in zip(commits, keys, strict=True):
        rows: dict[str, list[tuple[object, ...]]] = {}
        for name, row in (*(events[draft.id] for draft in drafts), *(identities[key] for key in its_keys)):
            rows.setdefault(_insert(name, len(row)), []).append(row)
        found.append(rows)
    return found


def bare_rows(commits: Sequence[Rows]) -> list[Rows]:
    """The bodies of the same events, for the bare table."""
    found: list[Rows] = []
    number = 0
    for commit in commits:
        bodies = [row[-1] for insert, rows in commit.items() if "event_" in insert for row in rows]
        found.append({_BARE_INSERT: list(enumerate(bodies, number))})
        number += len(bodies)
    return found


def commit_rows(connection: sqlite3.Connection, commits: Sequence[Rows], clock: Clock) -> float:
    """One transaction for each; how many events a second that were."""
    began_s = clock.monotonic_s()
    for commit in commits:
        connection.execute("BEGIN IMMEDIATE")
        for insert, rows in commit.items():
            connection.executemany(insert, rows)
        connection.execute("COMMIT")
    took_s = clock.monotonic_s() - began_s
    return sum(len(rows) for commit in commits for insert, rows in commit.items() if "INTO event" in insert) / took_s


def commit_bare(connection: sqlite3.Connection, number: int, body: bytes) -> None:
    """A transaction of one row."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_BARE_INSERT, (number, body))
    connection.execute("COMMIT")


_Stored = tuple[str, tuple[object, ...]]
"""A row and its table."""


def _events(log: sqlite3.Connection, tables: Sequence[str], last: int) -> Iterator[tuple[object, _Stored]]:
    for name in tables:
        rows = log.execute(f"SELECT * FROM {name} ORDER BY place DESC LIMIT ?", (last,))  # noqa: S608 - our own names
        yield from ((row[1], (name, row)) for row in rows)


def _identities(
    log: sqlite3.Connection, tables: Sequence[str], keys: Sequence[Sequence[bytes]]
) -> Iterator[tuple[bytes, _Stored]]:
    for name in tables:
        query = f"SELECT * FROM {name} WHERE key = ?"  # noqa: S608 - our own names
        for key in chain.from_iterable(keys):
            if row := log.execute(query, (key,)).fetchone():
                yield key, (name, row)


@lru_cache
def _insert(table: str, columns: int) -> str:
    return " ".join(("INSERT INTO", table, f"VALUES ({', '.join('?' * columns)})"))


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        yield connection
