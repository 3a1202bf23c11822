"""The tests of the log have teeth: each bug, planted alone, is caught by the checker that is named beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.log.planted.bugs import BUGS, Bug
from tests.sources import ROOT

pytestmark = pytest.mark.timeout(300)  # long on a busy machine
SITE: Final = Path(__file__).parent / "site"
FAILED: Final = 1
"""As pytest's exit code: tests ran and some failed."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    environment = os.environ | {"PYTHONPATH": f"{SITE}:{ROOT}", "PLANTED_BUG": json.dumps(bug.patches)}
    options = ["-n0", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=first", "--durations=0"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, bug.caught_by],
        cwd=ROOT, env=environment, capture_output=True, check=False, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == FAILED, f"{bug.name} was not caught by {bug.caught_by}:\n{done.stdout}{done.stderr}"
    assert "does not fit" not in done.stdout, done.stdout
    print(f"{bug.name} -> caught by {bug.caught_by}")  # noqa: T201 - `pytest -s` shows the table


def test_each_planted_bug_fits_the_source() -> None:
    for bug in BUGS:
        for patch in bug.patches:
            text = (ROOT / (patch.module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
            assert text.count(patch.old) == 1, f"{bug.name}: mend its patch of {patch.module}"
