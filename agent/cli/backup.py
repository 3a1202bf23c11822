"""`storeforward backup`: a copy of the event log, while the agent runs or is stopped."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.options import data_folder, data_option, json_option
from agent.clock import SystemClock
from agent.errors import EnvironmentFault

if TYPE_CHECKING:
    from agent.log.copies.check import Findings

__all__ = ["backup", "findings_as_json", "progress_bars", "tell_findings"]

DAMAGED_TOLD_MAX: Final = 10


class NoBackup(EnvironmentFault):
    """There is nothing to copy, or no place for the copy."""


@click.command(
    epilog="The copy is one file, closed to others, of the log as it was at one moment; the agent goes on meanwhile. "
    "Exit code 1 when a part of it is damaged. Example: storeforward backup /media/usb/monday.sqlite --data ./data"
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@data_option
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@json_option
@click.pass_context
def backup(context: click.Context, file: Path, data: Path | None, *, force: bool, as_json: bool) -> None:
    """Copy the event log to FILE, and check the copy."""
    from agent.log.copies.backup import copy_log  # noqa: PLC0415 - help texts need no SQLite
    from agent.log.copies.check import check_log  # noqa: PLC0415 - as above

    source = data_folder(data).log / "events.sqlite"
    _check_places(source, file, force=force)
    clock = SystemClock()
    started_s = clock.monotonic_s()
    with progress_bars("copying", "checking", show=not as_json) as (copying, checking):
        copied = copy_log(source, file.absolute(), progress=copying)
        findings = check_log(file, progress=checking)
    seconds = round(clock.monotonic_s() - started_s, 2)
    if as_json:
        click.echo(json.dumps({"file": str(file), "bytes": copied, "seconds": seconds, **findings_as_json(findings)}))
    else:
        tell_findings(findings)
        click.echo(f"{sum(findings.events.values()):,} events, {copied:,} bytes in {file}, {seconds:.2f} s.")
        if not findings.whole:
            click.echo(
                "The log itself is damaged, and the copy holds the pages as they are: keep both. The running agent "
                "puts damaged events aside and says which, `storeforward status` tells.",
                err=True,
            )
    context.exit(0 if findings.whole else EXIT_PROBLEM)


def _check_places(source: Path, file: Path, *, force: bool) -> None:
    if not source.exists():
        raise NoBackup(f"{source} does not exist: name the agent's data folder with --data")
    if source.parent.resolve() in file.resolve().parents:
        raise NoBackup(f"{file} would lie in the log's own folder: choose another place, best on another disk")
    if file.exists() and not force:
        raise NoBackup(f"{file} is there already: choose another name, or replace it with --force")


@contextmanager
def progress_bars(*names: str, show: bool) -> Iterator[list[Callable[[int, int], None]]]:
    """A function per name that moves its bar; bars are shown where somebody watches."""
    from rich.console import Console  # noqa: PLC0415 - not for help texts
    from rich.progress import Progress  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not (show and console.is_terminal)) as progress:

        def bar(name: str) -> Callable[[int, int], None]:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield [bar(name) for name in names]


def findings_as_json(findings: "Findings") -> dict[str, Any]:  # Any: JSON
    """What a log file holds, for machines."""
    found = asdict(findings)
    found["damaged"] = [
        {"stream": stream, "epoch_number": place.epoch, "sequence": place.sequence}
        for stream, place in findings.damaged
    ]
    return {**found, "ok": findings.whole}


def tell_findings(findings: "Findings") -> None:
    """What a log file holds, a line per stream, and what of it is damaged."""
    for stream, events in sorted(findings.events.items()):
        click.echo(f"{stream:8} {events:>12,} events")
    if findings.quarantined:
        click.echo(f"{findings.quarantined:,} damaged events had been put aside before.")
    for stream, place in findings.damaged[:DAMAGED_TOLD_MAX]:
        click.echo(f"damaged: {stream} {place.sequence} of epoch {place.epoch}", err=True)
    if findings.damaged_events > DAMAGED_TOLD_MAX:
        click.echo(f"damaged: {findings.damaged_events:,} events in all", err=True)
    for problem in findings.structure:
        click.echo(f"damaged: {problem}", err=True)
