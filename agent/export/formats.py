"""The kinds of export file by their names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from agent.export.csv_file import CsvFile
from agent.export.event_file import EventFile
from agent.export.json_lines_file import JsonLinesFile
from agent.export.parquet_file import ParquetFile
from agent.export.sqlite_file import SqliteFile

__all__ = ["FORMATS", "ExportFormat"]

ExportFormat = Callable[[Path], EventFile]

FORMATS: Final[Mapping[str, ExportFormat]] = MappingProxyType(
    {"jsonl": JsonLinesFile, "csv": CsvFile, "sqlite": SqliteFile, "parquet": ParquetFile}
)
