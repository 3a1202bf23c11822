"""`storeforward export`: events of a log as a file for other programs."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.event_choice import choice_of, stream_option, type_option
from agent.cli.moment import moment
from agent.cli.options import data_folder, data_option, json_option
from agent.event_types import Stream
from agent.export import FORMATS, ExportResult, export_events
from agent.log.reading.look import EVER, LogLook, Window

__all__ = ["export"]


@click.command(
    epilog="The file appears when it is whole. Exit code 1 when damaged events had to be left out. "
    "Examples: storeforward export jsonl --out day.jsonl --from 2026-03-02 --to 2026-03-03; "
    "storeforward export csv --out sales.csv --type pos.sale"
)
@click.argument("kind", type=click.Choice(list(FORMATS)), metavar="|".join(FORMATS))
@click.option(
    "--out", "file", required=True, type=click.Path(path_type=Path), help="The file to write, e.g. --out day.csv"
)
@stream_option
@type_option
@click.option("--from", "from_", type=moment, help="Only events recorded from then on, e.g. --from 2026-03-02 (UTC).")
@click.option("--to", type=moment, help="Only events recorded before then, e.g. --to 2026-03-03T04:00+01:00")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@data_option
@json_option
@click.pass_context
def export(
    context: click.Context,
    *,
    kind: str,
    file: Path,
    streams: tuple[str, ...],
    types: tuple[str, ...],
    from_: datetime | None,
    to: datetime | None,
    force: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Write events into a file: JSON lines, CSV, SQLite or Parquet."""
    choice = choice_of(types, streams)
    window = Window(_milliseconds(from_, EVER.from_ms), _milliseconds(to, EVER.before_ms))
    if window.from_ms >= window.before_ms:
        raise click.UsageError("--from has to be before --to.")
    with LogLook(data_folder(data).log / "events.sqlite") as look:
        chosen = [stream for stream in look.streams if not choice.streams or stream in choice.streams]
        with _progress(_events_in(look, chosen)) as advance:
            result = export_events(
                look,
                file,
                FORMATS[kind],
                streams=chosen,
                window=window,
                takes=choice.takes,
                overwrite=force,
                advance=advance,
            )
    click.echo(json.dumps(_document(result, kind, file)) if as_json else _sentence(result, file))
    for told in () if as_json else _left_out(result):
        click.echo(told, err=True)
    context.exit(0 if result.complete else EXIT_PROBLEM)


def _milliseconds(moment: datetime | None, default: int) -> int:
    return default if moment is None else int(moment.timestamp() * 1000)


def _events_in(look: LogLook, streams: Sequence[Stream]) -> int:
    """About how many there are to read: the log's first ones may be cleared away already."""
    return sum(last for (stream, _), last in look.state.heads.items() if stream in streams)


def _document(result: ExportResult, kind: str, file: Path) -> dict[str, object]:
    return {
        "file": str(file),
        "format": kind,
        "bytes": file.stat().st_size,
        "events": result.events,
        "damaged": result.damaged,
        "unreadable": [
            {"stream": part.stream, "events": part.events, "problem": str(part)} for part in result.unreadable
        ],
        "complete": result.complete,
    }


def _sentence(result: ExportResult, file: Path) -> str:
    return f"{result.events:,} events in {file} ({file.stat().st_size:,} bytes)."


def _left_out(result: ExportResult) -> Iterator[str]:
    if result.damaged:
        yield f"{result.damaged:,} events are left out: their bytes on the disk no longer match their checksum."
    yield from map(str, result.unreadable)


@contextmanager
def _progress(events: int) -> Iterator[Callable[[int], None]]:
    """A progress bar where somebody watches."""
    from rich.console import Console  # noqa: PLC0415 - not for help texts
    from rich.progress import Progress  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("exporting", total=events)
        yield lambda read: progress.advance(task, read)
