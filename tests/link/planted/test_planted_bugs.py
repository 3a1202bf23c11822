"""The tests of the link have teeth: each bug, planted alone, is caught by the test that is named beside it."""

import pytest

from tests.link.planted.bugs import BUGS, SLOW_BUGS
from tests.planted.bug import Bug

pytestmark = pytest.mark.timeout(300)  # long on a busy machine


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    bug.must_be_caught()


@pytest.mark.soak
@pytest.mark.parametrize("bug", SLOW_BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_that_only_makes_nothing_happen_is_caught(bug: Bug) -> None:
    bug.must_be_caught()


def test_each_planted_bug_fits_the_source() -> None:
    for bug in (*BUGS, *SLOW_BUGS):
        bug.must_fit()
