"""Cuts the power at every sync of a piece of work that replaces a log, a file of it, or makes a copy.

`python -m tests.log.power_cut.check_work WORK SEED` under the tap (see `run_tapped`) prints what it saw, as JSON.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from agent.errors import StoreforwardError
from tests.log.disk.disk_tap import MEMORY, Tap
from tests.log.power_cut.check import Check, contents
from tests.log.power_cut.disk_model import Plan
from tests.log.told import WrongWords
from tests.log.works import WORKS, Work

__all__ = ["main"]

_PLAN: Final = Plan(all_subsets_of=7, subsets=12, scattered=8, torn=8)


class Answered:
    """The old or the new, whole, and the new once that was said."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._answered = False

    @property
    def promises(self) -> str:
        return str(self._answered)

    def hear(self, _mark: bytes) -> None:
        self._answered = True

    def broken_promises(self, folder: Path) -> list[str]:
        try:
            outcome = self._work.judge(folder)
        except (AssertionError, StoreforwardError, WrongWords) as error:
            return [f"{type(error).__name__}: {error}"]
        return ["answered, and yet it is the old"] if self._answered and outcome == "old" else []


def main() -> None:
    """One piece of work."""
    WrongWords.forbid()
    work, random = WORKS[sys.argv[1]], Random(int(sys.argv[2]))
    with TemporaryDirectory(dir=MEMORY) as text:
        root = Path(text)
        work.prepare(root / "prepared")
        scratch = root / "scratch"
        scratch.mkdir()

        def live(folder: Path, tap: Tap) -> None:
            work.do(folder, lambda: tap.mark(answered=True))

        report = Check(scratch, _PLAN, random).run(live, Answered(work), contents(root / "prepared"))
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()
