"""Figures for a person: a progress bar while they are taken, then a table."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from sim.bench.figure import Figure

__all__ = ["show", "with_progress"]


def with_progress(benchmarks: Mapping[str, Callable[[], Figure]]) -> Iterator[Figure]:
    """Takes one figure after the other; the bar goes to stderr."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(benchmarks))
        for name, measure in benchmarks.items():
            progress.update(task, description=name)
            yield measure()
            progress.advance(task)


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


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
