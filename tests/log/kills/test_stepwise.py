"""SIGKILL right before each call that may change the disk: the next opening works, and says nothing wrong (S2, S8)."""

import pytest

from tests.log.stepwise_kills import outcomes_of

pytestmark = pytest.mark.timeout(300)  # long on a busy machine


@pytest.mark.case("S2")
@pytest.mark.parametrize("work", ["first opening", "opening after a kill", "opening after a close"])
def test_s2_an_opening_killed_at_any_call_leaves_a_log_that_opens_as_if_that_had_not_been(work: str) -> None:
    outcomes = outcomes_of(work)
    assert outcomes["steps"] > 40
    assert min(outcomes["old"], outcomes["new"]) > 10


@pytest.mark.case("S8")
@pytest.mark.parametrize("work", ["putting aside", "putting aside what was condemned"])
def test_s8_a_log_that_is_being_put_aside_when_the_agent_is_killed_is_kept_whole_and_its_journal_goes_on(
    work: str,
) -> None:
    outcomes = outcomes_of(work)
    assert outcomes["steps"] > 100
    assert min(outcomes["old"], outcomes["new"]) > 20
