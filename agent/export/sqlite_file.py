"""A SQLite file with one table `event`, for questions in SQL: `SELECT data ->> '$.sku' FROM event`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.export.flat_event import COLUMNS, FlatEvent, flat_event
from agent.export.unfinished_file import ExportFailed

__all__ = ["SqliteFile"]

_KEY: Final = ("stream", "epoch", "sequence")


class SqliteFile:
    """An EventFile."""

    def __init__(self, path: Path) -> None:
        from sqlite_utils import Database  # noqa: PLC0415 - heavy: loads pandas where it is installed

        self._path = path
        self._database = Database(path)
        kinds = {name: FlatEvent.__annotations__[name] for name in COLUMNS}
        with self._told():
            # Nobody sees the file before it is whole, and whoever finishes it fsyncs it.
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("PRAGMA synchronous = OFF")
            self._table = self._database.table("event").create(kinds, pk=_KEY)

    def write(self, bodies: Sequence[bytes]) -> None:
        with self._told():
            self._table.insert_all((flat_event(body)._asdict() for body in bodies), batch_size=max(1, len(bodies)))

    def finish(self) -> None:
        with self._told():
            self._table.create_index(["type", "time"])

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite says, in our words."""
        try:
            yield
        except self._database.conn.Error as error:
            raise ExportFailed(f"cannot write {self._path}: {error}") from error
