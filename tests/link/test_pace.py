"""The rate of publishes, the window in bytes and the end of a backlog, each by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.link.eta import Eta
from agent.link.pace import Pace
from agent.link.window import BYTES_MIN, QUEUE_S, START_BYTES, Window

# --- pace ---------------------------------------------------------------------------------------------------------


def send_for(pace: Pace, seconds: float, from_s: float = 0.0) -> list[float]:
    """When publishes leave if there always are some."""
    at_s, sent = from_s, []
    while at_s < from_s + seconds:
        at_s = max(at_s, pace.next_at_s)
        pace.sent(at_s)
        sent.append(at_s)
        at_s += 0.000_5
    return sent


def test_without_a_cap_nothing_is_held_back() -> None:
    pace = Pace(0)
    pace.sent(5.0)
    assert (pace.per_s, pace.next_at_s) == (None, 5.0)


@given(st.sampled_from([0.5, 1.0, 7.0, 100.0]), st.lists(st.floats(0, 3), max_size=30))
def test_no_second_has_more_than_the_cap_and_one(cap: float, idle_s: list[float]) -> None:
    pace, at_s, sent = Pace(cap), 0.0, []
    for pause_s in idle_s:
        at_s = max(at_s + pause_s, pace.next_at_s)
        pace.sent(at_s)
        sent.append(at_s)
    for begin_s in sent:
        assert sum(begin_s <= at < begin_s + 1.0 - 1e-9 for at in sent) <= cap + 2


def test_a_refusal_halves_the_rate_and_it_recovers_within_a_minute() -> None:
    pace = Pace(100)
    sent = send_for(pace, 3.0)
    pace.refused(sent[-1])
    assert pace.per_s == pytest.approx(50, abs=1)
    pace.refused(sent[-1] + 0.1)  # of the same window
    assert pace.per_s == pytest.approx(50, abs=1)
    send_for(pace, 30.0, sent[-1])
    assert pace.per_s == pytest.approx(75, abs=2)
    send_for(pace, 35.0, sent[-1] + 30)
    assert pace.per_s == pytest.approx(100, abs=1)


def test_refused_on_and_on_it_still_tries_now_and_then() -> None:
    pace = Pace(0)
    for second in range(0, 60, 2):
        pace.sent(second)
        pace.refused(second)
    assert pace.per_s == pytest.approx(0.5)


def test_a_limit_that_is_long_gone_is_forgotten() -> None:
    pace = Pace(0)
    send_for(pace, 0.01)
    pace.refused(0.01)
    assert pace.per_s is not None
    pace.sent(1_000.0)
    assert pace.per_s is None


# --- window -------------------------------------------------------------------------------------------------------


def answer_many(window: Window, took_s: float, count: int = 400, size: int = 8_192, from_s: float = 0.0) -> None:
    for number in range(count):
        window.answered(size, window.bytes_now, took_s, from_s + number * 0.1)


def test_a_window_grows_while_answers_come_at_once_and_ends_at_its_limit() -> None:
    window = Window(1_000_000)
    assert window.bytes_now == START_BYTES
    answer_many(window, 0.1)
    assert window.bytes_now == 1_000_000


def test_answers_that_wait_in_a_queue_make_it_shrink_but_never_to_nothing() -> None:
    window = Window(1_000_000)
    answer_many(window, 0.1)
    answer_many(window, 0.1 + 3 * QUEUE_S, count=800)
    assert window.bytes_now == BYTES_MIN


def test_a_window_that_nobody_fills_does_not_grow() -> None:
    window = Window(1_000_000)
    for number in range(400):
        window.answered(500, 500, 0.1, number * 0.1)
    assert window.bytes_now == START_BYTES


def test_what_is_slow_for_ten_minutes_is_how_the_line_is() -> None:
    window = Window(1_000_000)
    answer_many(window, 0.1)
    answer_many(window, 2.0, from_s=100.0)
    low = window.bytes_now
    answer_many(window, 2.0, count=8_000, from_s=200.0)
    assert window.bytes_now > low


def test_batches_are_a_part_of_the_window_unless_publishes_are_scarce() -> None:
    window = Window(1_000_000)
    answer_many(window, 0.1)
    assert window.batch_bytes(None) == 250_000
    assert window.batch_bytes(100.0) == 250_000
    assert window.batch_bytes(20.0) == 500_000
    assert window.batch_bytes(1.0) == 1_000_000


# --- end of a backlog ---------------------------------------------------------------------------------------------


def sampled(waiting: list[int], step_s: float = 1.0) -> Eta:
    eta = Eta()
    for number, events in enumerate(waiting):
        assert eta.due(number * step_s)
        eta.sample(events, number * step_s)
    return eta


def test_the_rest_takes_as_long_as_what_went_says() -> None:
    eta = sampled([1_000 - 10 * second for second in range(11)])
    assert eta.remaining_s(10.0) == pytest.approx(90)
    assert not eta.due(10.5)


@pytest.mark.parametrize(
    ("waiting", "at_s"),
    [
        ([100, 90], 1.0),  # too early to say
        ([100 + 10 * second for second in range(20)], 19.0),  # it grows
        ([100] * 20, 19.0),  # it stays
        ([0] * 20, 19.0),  # nothing waits
        ([100 - second for second in range(20)], 60.0),  # nobody looked for long
        ([10**9 - second for second in range(20)], 19.0),  # more than a month
    ],
)
def test_it_is_not_told_when_it_is_unknown_or_never(waiting: list[int], at_s: float) -> None:
    assert sampled(waiting).remaining_s(at_s) is None


def test_after_a_long_pause_it_begins_anew() -> None:
    eta = sampled([1_000 - 10 * second for second in range(20)])
    eta.sample(5_000, 100.0)
    assert eta.remaining_s(100.0) is None
