"""A bar with a text of any length beside it, for commands that follow something which may also have to wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["text_bar"]


@contextmanager
def text_bar(console: "Console", text: str, total: int | None = None) -> Iterator[Callable[[int, int, str], None]]:
    """Call it with how many are done, of how many, and the text: that is folded, never cut, and no markup."""
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - not for help texts
    from rich.table import Column  # noqa: PLC0415 - as above

    column = TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, overflow="fold"))
    with Progress(BarColumn(), column, console=console, transient=True, expand=True) as progress:
        task = progress.add_task(text, total=total)
        yield lambda done, of, said: progress.update(task, completed=done, total=of, description=said)
