"""Another client with our id: by the broker's word, by connections that end too soon, and never by a bad network."""

from random import Random

import pytest

from agent.link.backoff import Backoff
from agent.link.errors import ConnectionLost, EndedByUs
from agent.link.take_overs import SILENT_ENDS_MAX, TakeOvers

pytestmark = pytest.mark.case("N7")

TAKEN_OVER = ConnectionLost("taken over", 0x8E)
SILENT = ConnectionLost("lost")


def test_the_brokers_word_is_enough() -> None:
    watch = TakeOvers(60.0)
    assert watch.reason(0.0) == ""
    watch.ended(TAKEN_OVER, 5.0, 0.5)
    assert watch.suspected
    assert "another client uses this client id: is a card cloned?" in watch.reason(0.0)
    assert "once" in watch.reason(1.0)
    watch.ended(TAKEN_OVER, 50.0, 60.0)
    assert "2 times" in watch.reason(1.0)


def test_connections_that_end_soon_without_a_word_are_enough_when_there_are_several() -> None:
    watch = TakeOvers(60.0)
    for _ in range(SILENT_ENDS_MAX - 1):
        watch.ended(SILENT, 1.0, 0.5)
        assert not watch.suspected
    watch.ended(SILENT, 1.0, 0.5)
    assert watch.suspected
    assert "perhaps another client uses this client id" in watch.reason(0.0)


def test_a_connection_that_lasts_clears_the_suspicion() -> None:
    watch = TakeOvers(60.0)
    for _ in range(9):
        watch.ended(SILENT, 1.0, 0.5)
    assert watch.reason(9.0)
    assert watch.reason(10.0) == ""
    watch.ended(SILENT, 11.0, 0.5)
    assert not watch.suspected


def test_after_the_brokers_word_it_has_to_last_longer_than_two_clones_would_wait() -> None:
    watch = TakeOvers(60.0)
    watch.ended(TAKEN_OVER, 5.0, 0.5)
    watch.ended(SILENT, 119.0, 60.0)
    assert watch.reason(119.0)
    watch.ended(SILENT, 121.0, 60.0)
    assert not watch.suspected


@pytest.mark.parametrize(
    ("failure", "lasted_s"),
    [
        (SILENT, 30.0),  # a network that breaks every half a minute
        (ConnectionLost("no answer", 0x8D), 1.0),
        (ConnectionLost("shutting down", 0x8B), 1.0),
        (EndedByUs("for the ledger"), 0.1),
        (OSError(), 0.1),
    ],
)
def test_other_ends_are_no_sign_of_it(failure: Exception, lasted_s: float) -> None:
    watch = TakeOvers(60.0)
    for _ in range(20):
        watch.ended(failure, lasted_s, 0.5)
    assert not watch.suspected


@pytest.mark.parametrize("code", [0x8E, 0x00])
@pytest.mark.parametrize("seed", range(5))
def test_two_clones_come_to_wait_long_and_both_know_why(code: int, seed: int) -> None:
    """A model of a broker and two of us: whoever connects throws the other out, who comes back after its wait."""
    random = Random(seed)
    watches = [TakeOvers(60.0) for _ in range(2)]
    backoffs = [Backoff(0.5, 60.0, random) for _ in range(2)]
    now_s, came_at_s, comes_at_s, connects = 0.0, [0.0, 0.0], [0.0, 0.3], 0
    inside: int | None = None
    while now_s < 3_600.0:
        comer = min((0, 1), key=lambda one: comes_at_s[one])
        now_s, comes_at_s[comer] = comes_at_s[comer], float("inf")
        connects += 1
        if inside is not None:
            lasted_s = now_s - came_at_s[inside]
            watches[inside].ended(ConnectionLost("lost", code), lasted_s, backoffs[inside].ceiling_s)
            if lasted_s >= 10.0 and not watches[inside].suspected:
                backoffs[inside].reset()
            comes_at_s[inside] = now_s + backoffs[inside].next_s()
        inside, came_at_s[comer] = comer, now_s
    assert connects < 200  # of both in an hour: 119 to 142, and 227 to 257 where ten seconds begin the waits anew
    assert all(watch.suspected for watch in watches)
