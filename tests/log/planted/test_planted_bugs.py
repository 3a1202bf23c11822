"""The tests of the log have teeth: each bug, planted alone, is caught by the test that is named beside it."""

import pytest

from tests.log.planted.bugs import BUGS
from tests.planted.bug import Bug

pytestmark = pytest.mark.timeout(300)  # long on a busy machine


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    bug.must_be_caught()


def test_each_planted_bug_fits_the_source() -> None:
    for bug in BUGS:
        bug.must_fit()
