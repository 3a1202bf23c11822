"""A SQLite file with one table `event`, for questions in SQL: `SELECT data ->> '$.sku' FROM event`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.errors import EnvironmentFault
from agent.export.flat_event import COLUMNS, FlatEvent, flat_event

__all__ = ["SqliteFile"]

_KEY: Final = ("stream", "epoch", "sequence")


class SqliteFile:
    """An EventFile."""

    def __init__(self, path: Path) -> None:
        from sqlite_utils import Database  # noqa: PLC0415 - heavy: loads pandas where it is installed

        self._path = path
        self._database = Database(path)
        # Nobody sees the file before it is whole, and whoever finishes it fsyncs it.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        kinds = {name: FlatEvent.__annotations__[name] for name in COLUMNS}
        self._table = self._database.table("event").create(kinds, pk=_KEY)

    def write(self, bodies: Sequence[bytes]) -> None:
        connection = self._database.conn
        try:
            self._table.insert_all((flat_event(body)._asdict() for body in bodies), batch_size=max(1, len(bodies)))
        except connection.Error as error:
            raise EnvironmentFault(f"cannot write {self._path}: {error}") from error

    def close(self) -> None:
        self._table.create_index(["type", "time"])
        self._database.close()
