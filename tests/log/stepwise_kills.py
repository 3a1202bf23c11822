"""Kills a piece of work by SIGKILL right before each of its calls that may change the disk: run under the tap.

`python -m tests.log.stepwise_kills WORK` prints how many calls there are, and how often the outcome was old and new,
as one JSON object; an outcome that is neither is an error.
"""

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agent.errors import StoreforwardError
from tests.log.disk.disk_tap import MEMORY, Tap, run_tapped
from tests.log.told import WrongWords
from tests.log.works import WORKS, Work

__all__ = ["main", "outcomes_of"]

STEPS_MAX: Final = 2_000


def outcomes_of(work: str) -> dict[str, int]:
    """How many steps the work has, and how often a kill left the old and the new; for tests."""
    outcomes: dict[str, int] = run_tapped(__name__, work)
    return outcomes


def live(work: Work, folder: Path, step: int) -> tuple[bool, bool]:
    """Do the work in a child that dies right before a step; whether it was answered, and whether it came to its end."""
    receiver, sender = os.pipe()
    if not (child := os.fork()):
        tap = Tap()
        with tap.watching(folder):
            tap.die(step)
            work.do(folder, lambda: os.write(sender, b"!"))
            os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as told:
        answered = bool(told.read())
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the work failed: {status}"
    return answered, not os.WIFSIGNALED(status)


def main() -> None:
    """Steps one after the other, until the work is done before its turn comes."""
    work = WORKS[sys.argv[1]]
    WrongWords.forbid()
    with TemporaryDirectory(dir=MEMORY) as root:
        outcomes = Counter[str]()
        for step in range(1, STEPS_MAX):
            place = Path(root) / f"step-{step}"
            work.prepare(place)
            answered, done = live(work, place, step)
            try:
                outcome = work.judge(place)
                assert outcome == "new" or not answered, "answered, and yet it is the old"
            except (AssertionError, StoreforwardError, WrongWords) as error:
                raise AssertionError(f"{sys.argv[1]}, killed before call {step}: {error}") from error
            outcomes[outcome] += 1
            shutil.rmtree(place)
            if done:
                break
        else:
            raise AssertionError("more steps than expected: raise STEPS_MAX")
    json.dump({"steps": step, **outcomes}, sys.stdout)


if __name__ == "__main__":
    main()
