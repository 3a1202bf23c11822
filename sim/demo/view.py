"""What a person watches while the demo runs: the live view on a terminal, plain lines anywhere else."""

import io
import sys
from typing import Final, Protocol, Self

from rich.console import Console
from rich.live import Live

from sim.demo.day_so_far import DaySoFar
from sim.demo.progress_lines import ProgressLines
from sim.demo.screen import COLUMNS_MIN, ROWS_MIN, Screen
from sim.demo.summary import Sample, StoreDay

__all__ = ["LiveView", "View", "open_view", "terminal_console"]

FRAMES_PER_S: Final = 4
SWITCH_S: Final = 0.0005  # a frame takes 15 ms to draw: the tills' event loop must not wait for that, and is measured


class View(Protocol):
    """Entered before the first sample, left before the ending is printed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def update(self, sample: Sample) -> None:
        """Show this sample."""
        ...


class LiveView:
    """The full-screen view, drawn by a thread; it leaves the terminal as it found it, however the demo ends."""

    def __init__(self, day: StoreDay, console: Console) -> None:
        self._day = day
        self._live = Live(console=console, screen=True, refresh_per_second=FRAMES_PER_S)
        self._so_far: DaySoFar | None = None
        self._switch_s = sys.getswitchinterval()

    def __enter__(self) -> Self:
        sys.setswitchinterval(SWITCH_S)
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()
        sys.setswitchinterval(self._switch_s)

    def update(self, sample: Sample) -> None:
        """Draw this sample with the next frame."""
        self._so_far = self._so_far.after(sample) if self._so_far else DaySoFar.begin(self._day, sample)
        self._live.update(Screen(self._so_far))


def open_view(day: StoreDay, *, headless: bool) -> View:
    """The live view if standard output is a terminal that has room for it, else plain lines on standard error."""
    console = terminal_console()
    if headless or not console.is_terminal or console.is_dumb_terminal:
        return ProgressLines(day, sys.stderr)
    if console.width < COLUMNS_MIN or console.height < ROWS_MIN:
        console.print(f"The live view needs {COLUMNS_MIN} x {ROWS_MIN} characters; plain lines follow.")
        return ProgressLines(day, sys.stderr)
    return LiveView(day, console)


def terminal_console() -> Console:
    """Standard output; what its encoding cannot say is shown as a question mark."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)
