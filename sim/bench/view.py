"""Figures as they are told: JSON for a program, a table for a person, a progress bar on a terminal meanwhile."""

import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sim.bench.figure import Figure

__all__ = ["show", "tell"]


def tell(benchmarks: Mapping[str, Callable[[], Figure]], *, as_json: bool) -> None:
    """Takes all figures and writes them to stdout."""
    with _sigterm_ends_in_order():
        figures = list(_with_progress(benchmarks))
    if as_json:
        sys.stdout.write(f"{json.dumps([asdict(figure) for figure in figures], indent=2)}\n")
    else:
        show(figures)


def show(figures: Iterable[Figure]) -> None:
    """The table and the notes below it, on stdout."""
    taken, console = list(figures), Console(highlight=False)
    table = Table()
    for heading in ("figure", "value", "unit", "ceiling", "ratio"):
        table.add_column(heading, justify="left" if heading in {"figure", "unit"} else "right", no_wrap=True)
    for each in taken:
        table.add_row(each.name, _short(each.value), each.unit, _short(each.ceiling), f"{each.ratio:.2f}")
    console.print(table)
    for each in taken:
        console.print(f"{each.name}: {each.note}", soft_wrap=True)


@contextmanager
def _sigterm_ends_in_order() -> Iterator[None]:
    """As Ctrl-C does: processes are ended and folders removed."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _with_progress(benchmarks: Mapping[str, Callable[[], Figure]]) -> Iterator[Figure]:
    """Takes one figure after the other; the bar goes to stderr, where that is a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(benchmarks))
        for name, measure in benchmarks.items():
            progress.update(task, description=name)
            yield measure()
            progress.advance(task)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
