"""A bug that is planted into the source on its way into the interpreter, and the test that must see it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from tests.sources import ROOT

__all__ = ["Bug", "Patch"]

SITE: Final = Path(__file__).parent / "site"
FAILED: Final = 1
"""As pytest's exit code: tests ran and some failed."""


class Patch(NamedTuple):
    """One change of a module's source; `old` stands there once."""

    module: str
    old: str
    new: str


class Bug(NamedTuple):
    """What goes wrong, where it is planted, and the test that must fail then."""

    name: str
    caught_by: str
    patches: tuple[Patch, ...]

    def must_be_caught(self) -> None:
        """Runs the test with the bug in place."""
        environment = os.environ | {"PYTHONPATH": f"{SITE}:{ROOT}", "PLANTED_BUG": json.dumps(self.patches)}
        options = ["-n0", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=first", "--durations=0"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, self.caught_by],
            cwd=ROOT, env=environment, capture_output=True, check=False, text=True, timeout=280,
        )  # fmt: skip
        assert done.returncode == FAILED, f"{self.name} was not caught by {self.caught_by}:\n{done.stdout}{done.stderr}"
        assert "does not fit" not in done.stdout, done.stdout
        print(f"{self.name} -> caught by {self.caught_by}")  # noqa: T201 - `pytest -s` shows the table

    def must_fit(self) -> None:
        """The source is still the one that the patches were made for."""
        for patch in self.patches:
            text = (ROOT / (patch.module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
            assert text.count(patch.old) == 1, f"{self.name}: mend its patch of {patch.module}"
