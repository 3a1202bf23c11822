"""Every error says who is to blame, and its text says what to do."""

import pytest

from agent import errors
from agent.errors import (
    CallerError,
    EnvironmentFault,
    EventRefused,
    IdConflict,
    PeerError,
    Problem,
    SettingsRefused,
    StoreforwardError,
    StoreInUse,
)

BLAMES = (CallerError, PeerError, EnvironmentFault)


@pytest.mark.parametrize(
    "error", [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
)
def test_every_error_blames_one_side_and_is_explained(error: type[Exception]) -> None:
    assert issubclass(error, StoreforwardError)
    assert error.__doc__
    if error not in (StoreforwardError, *BLAMES):
        assert sum(issubclass(error, blame) for blame in BLAMES) == 1


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("items[3].quantity", "a float", "an integer"), "items[3].quantity: a float; expected an integer"),
        (Problem("data", "missing"), "data: missing"),
        (Problem("", "not JSON", "an object"), "not JSON; expected an object"),
    ],
)
def test_a_problem_reads_as_where_what_and_what_instead(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_refusals_carry_their_problems() -> None:
    one, two = Problem("a", "wrong"), Problem("b", "missing", "it")
    assert EventRefused(one, two).problems == (one, two)
    assert str(EventRefused(one, two)) == "a: wrong; b: missing; expected it"
    assert SettingsRefused(one, two).problems == (one, two)
    assert str(SettingsRefused(one, two)) == "a: wrong\nb: missing; expected it"


def test_a_conflict_names_the_event() -> None:
    conflict = IdConflict("/store-1/box-1/till-3", "e-1")
    assert (conflict.source, conflict.event_id) == ("/store-1/box-1/till-3", "e-1")
    assert "'e-1'" in str(conflict)


@pytest.mark.parametrize(("pid", "owner"), [(4711, "process 4711"), (None, "another process")])
def test_a_store_in_use_names_its_owner_and_the_ways_out(pid: int | None, owner: str) -> None:
    error = StoreInUse("/data/log", pid)
    assert (error.folder, error.pid) == ("/data/log", pid)
    assert str(error).startswith(f"/data/log is in use by {owner}: ")
    assert "--data" in str(error)
