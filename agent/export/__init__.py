"""Events of a log as a file for other programs: JSON lines, CSV, SQLite, Parquet."""

from agent.export.export import ExportResult, export_events
from agent.export.formats import FORMATS, ExportFormat
from agent.export.unfinished_file import ExportFailed

__all__ = ["FORMATS", "ExportFailed", "ExportFormat", "ExportResult", "export_events"]
