"""What `storeforward evaluate` does: read the sales with a progress bar, run the contest, tell the figures."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from agent.clock import SystemClock
from agent.decide.history import SoldLine, group_lines, read_history
from agent.errors import EnvironmentFault
from sim.evaluate.complete_journey import LINES, sold_lines
from sim.evaluate.contest import Contest, Row
from sim.evaluate.protocol import ITEM_BASKETS_MIN, Split
from sim.evaluate.sold_lines import SoldLines
from sim.store.complete_journey import find_dataset

__all__ = ["COMPLETE_JOURNEY_SPLIT", "EvaluateOptions", "run_evaluation"]

COMPLETE_JOURNEY_SPLIT: Final = date(2017, 12, 1)
SHOWN_EVERY_LINES: Final = 10_000


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What the user chose; without `data_file` it is Complete Journey."""

    data_file: Path | None
    split_day: date
    seed: int
    item_baskets_min: int = ITEM_BASKETS_MIN
    dump: Path | None = None
    stores: bool = True
    as_json: bool = False


class _Bars:
    """One progress bar per piece of work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, name: str, done: int, total: int) -> None:
        """So much of it is done."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)


def run_evaluation(options: EvaluateOptions) -> dict[str, Any]:  # Any: JSON
    """The figures, also shown as a table unless JSON is wanted.

    Raises:
        CallerError: for sales that cannot be read or asked about.
        EnvironmentFault: for a file that cannot be read or written, or data that is not installed.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ExitStack() as opened:
        progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        bars = _Bars(opened.enter_context(progress))
        try:
            dump = opened.enter_context(options.dump.open("w", encoding="utf-8")) if options.dump else None
        except OSError as error:
            raise EnvironmentFault(f"cannot write {options.dump}: {error.strerror}") from error
        lines = SoldLines.of(group_lines(_shown(_read(options), bars, options)))
        split_s = datetime.combine(options.split_day, time(), UTC).timestamp()
        split = Split.at(lines, split_s, seed=options.seed, item_baskets_min=options.item_baskets_min)
        contest = Contest(split, SystemClock(), bars.show, dump)
        rows = contest.chain()
        if options.stores:
            rows += contest.stores()
    if not options.as_json:
        _print(rows)
    return _document(options, split, rows)


def _read(options: EvaluateOptions) -> Iterator[SoldLine]:
    if options.data_file is None:
        yield from sold_lines(find_dataset())
        return
    try:
        with options.data_file.open(encoding="utf-8-sig", newline="") as text:
            yield from read_history(text, str(options.data_file))
    except OSError as error:
        raise EnvironmentFault(f"cannot read {options.data_file}: {error.strerror}") from error


def _shown(lines: Iterable[SoldLine], bars: _Bars, options: EvaluateOptions) -> Iterator[SoldLine]:
    total = LINES if options.data_file is None else 0
    number = 0
    for number, line in enumerate(lines):
        if number % SHOWN_EVERY_LINES == 0:
            bars.show("lines read", number, max(total, number))
        yield line
    bars.show("lines read", number, number)


def _document(options: EvaluateOptions, split: Split, rows: list[Row]) -> dict[str, Any]:  # Any: JSON
    return {
        "source": str(options.data_file) if options.data_file else "Complete Journey",
        "split": options.split_day.isoformat(),
        "seed": options.seed,
        "catalogue": split.items,
        "train_lines": len(split.train),
        "test_lines": len(split.test),
        "rows": [row.told() for row in rows],
    }


def _print(rows: list[Row]) -> None:
    table = Table("task", "scope", "model", "recall@5", "recall@10", "95 %", "NDCG@10", "hit@10", "p95 ms", "MB")
    for row in rows:
        metrics = row.metrics
        low, high = metrics.recall10_ci
        cells = (metrics.recall5, metrics.recall10, f"{low:.3f}-{high:.3f}", metrics.ndcg10, metrics.hit10)
        figures = [cell if isinstance(cell, str) else f"{cell:.3f}" for cell in cells]
        table.add_row(row.task, row.scope, row.model, *figures, f"{row.p95_ms:.2f}", f"{row.size_mb:.1f}")
    Console().print(table)
