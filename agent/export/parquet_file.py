"""Apache Parquet, for analysis of many events: typed columns, compressed with zstd."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.export.flat_event import COLUMNS, flat_event
from agent.export.unfinished_file import ExportFailed

__all__ = ["ParquetFile"]

_TIMES = ("time", "recorded_time")
_ROWS_PER_GROUP = 16_384


class ParquetFile:
    """An EventFile; a row group is held in memory."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - heavy, and an extra
            import pyarrow.parquet as pq  # noqa: PLC0415 - as above
        except ModuleNotFoundError as error:
            raise ExportFailed("Parquet needs pyarrow: pip install 'storeforward[parquet]'") from error
        self._new_table = pa.table
        moment = pa.timestamp("us", tz="UTC")
        names = pa.dictionary(pa.int32(), pa.string())
        kinds = {
            **dict.fromkeys(COLUMNS, pa.string()),
            **dict.fromkeys(("stream", "epoch", "type", "source"), names),
            **dict.fromkeys(_TIMES, moment),
            "sequence": pa.int64(),
            "clock_synced": pa.bool_(),
        }
        self._schema = pa.schema(kinds.items())
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}  # Any: of any column

    def write(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            for name, value in flat_event(body)._asdict().items():
                self._columns[name].append(datetime.fromisoformat(value) if name in _TIMES else value)
        if len(self._columns["id"]) >= _ROWS_PER_GROUP:
            self._write_group()

    def finish(self) -> None:
        self._write_group()

    def close(self) -> None:
        self._file.close()

    def _write_group(self) -> None:
        self._file.write_table(self._new_table(self._columns, schema=self._schema))
        self._columns = {name: [] for name in COLUMNS}
