"""The cloud's answers to closed business days, as `storeforward reconcile` tells them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

__all__ = ["day_lines", "days_table"]

Answer = Mapping[str, Any]  # Any: one stream's part of a day, as in the receipts

_FIGURES: Final = {"Events": "count", "Missing": "missing", "Declared": "declared", "Conflicts": "conflicts"}


def day_lines(answers: Sequence[Answer], unanswered: Sequence[str]) -> Iterator[str]:
    """A line for each day, and below it one for each stream of it that does not agree."""
    for day, of_day in _by_day(answers).items():
        count, missing, declared = (sum(answer[key] for answer in of_day) for key in ("count", "missing", "declared"))
        wrong = [answer for answer in of_day if not answer["ok"]]
        given_up = f", {declared:,} given up after the close (declared)" if declared else ""
        verdict = f"{len(wrong)} of {len(of_day)} streams do not agree" if wrong else "ok"
        yield f"Day {day}: {count:,} events, {missing:,} missing{given_up}: {verdict}"
        yield from (f"  {answer['stream']}: {answer['problem']}" for answer in wrong)
    yield from (f"Day {day}: not yet answered by the cloud" for day in unanswered)


def days_table(answers: Sequence[Answer]) -> Table:
    """A row for each stream and epoch of each day. To fit 80 columns, of an epoch only its end is shown."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for title in ("Day", "Stream", "Epoch"):
        table.add_column(title, no_wrap=True)
    for title in _FIGURES:
        table.add_column(title, justify="right", overflow="fold")
    table.add_column("Answer", overflow="fold")
    for day, of_day in _by_day(answers).items():
        for answer in of_day:
            figures = (f"{answer[key]:,}" for key in _FIGURES.values())
            table.add_row(day, answer["stream"], answer["epoch"][-8:], *figures, "ok" if answer["ok"] else "NOT OK")
    return table


def _by_day(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        found[answer["business_day"]].append(answer)
    return dict(sorted(found.items()))
