"""Whether this SQLite has the WAL-reset bug, by which two writers of one log can damage it."""

from collections.abc import Iterator

from agent.doctor.finding import Finding
from agent.doctor.patient import Patient
from agent.log.reading.look import SQLITE_VERSION

__all__ = ["check_sqlite", "has_wal_reset_bug"]

Version = tuple[int, ...]


def check_sqlite(patient: Patient) -> Iterator[Finding]:
    """The library that this Python has loaded."""
    del patient
    version = ".".join(map(str, SQLITE_VERSION))
    if not has_wal_reset_bug(SQLITE_VERSION):
        yield Finding.ok("sqlite", version)
        return
    yield Finding.warning(
        "sqlite",
        f"{version} can damage a log that two programs write to; the agent is its only writer, which prevents that",
        "never write to events.sqlite with another program; 3.51.3, 3.50.7 and 3.44.6 are repaired",
    )


def has_wal_reset_bug(version: Version) -> bool:
    """Repaired in 3.51.3, and for older lines in 3.50.7 and 3.44.6; WAL itself came with 3.7.0."""
    if (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51):
        return False
    return (3, 7) <= version < (3, 51, 3)
