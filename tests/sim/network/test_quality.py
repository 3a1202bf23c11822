"""When a line's segments arrive: slow as it says, in order, the same for the same seed."""

from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.network.quality import LOSSES_IN_A_ROW_MAX, RETRANSMIT_MIN_S, Bottleneck, LineQuality, Pace


def pace(quality: LineQuality, seed: int = 1) -> Pace:
    return Pace(quality, Bottleneck(quality.bits_per_s), Random(seed))


QUALITIES = st.builds(
    LineQuality,
    latency_s=st.floats(0.1, 1),
    jitter_s=st.floats(0, 0.1),
    bits_per_s=st.sampled_from([0, 9_600, 250_000]),
    loss=st.floats(0, 0.5),
)
SENT = st.lists(st.tuples(st.integers(1, 1_448), st.floats(0, 5)), min_size=1, max_size=50)


@given(QUALITIES, SENT, st.integers())
def test_no_segment_is_early_or_overtakes_another(
    quality: LineQuality, sent: list[tuple[int, float]], seed: int
) -> None:
    times = sorted(at_s for _, at_s in sent)
    line, again = pace(quality, seed), pace(quality, seed)
    arrivals = [line.arrival_s(octets, at_s) for (octets, _), at_s in zip(sent, times, strict=True)]
    assert arrivals == sorted(arrivals)
    least_s = quality.latency_s - quality.jitter_s
    assert all(arrival_s >= at_s + least_s for arrival_s, at_s in zip(arrivals, times, strict=True))
    assert arrivals == [again.arrival_s(octets, at_s) for (octets, _), at_s in zip(sent, times, strict=True)]


def test_a_narrow_line_carries_as_many_bits_as_it_says() -> None:
    line = pace(LineQuality(bits_per_s=250_000))
    assert [line.arrival_s(1_250, 0.0) for _ in range(3)] == pytest.approx([0.04, 0.08, 0.12])
    assert line.arrival_s(1_250, 1.0) == pytest.approx(1.04)  # an idle second is not saved up


def test_all_connections_share_the_narrow_place() -> None:
    quality, bottleneck = LineQuality(bits_per_s=250_000), Bottleneck(250_000)
    first, second = Pace(quality, bottleneck, Random(1)), Pace(quality, bottleneck, Random(2))
    assert (first.arrival_s(1_250, 0.0), second.arrival_s(1_250, 0.0)) == pytest.approx((0.04, 0.08))


def test_a_lost_segment_comes_a_time_out_later_and_the_next_waits_for_it() -> None:
    quality = LineQuality(loss=0.02)
    waits = [pace(quality, seed).arrival_s(1_448, 0.0) for seed in range(5_000)]
    lost = [wait_s for wait_s in waits if wait_s]
    assert 50 < len(lost) < 150
    assert min(lost) == RETRANSMIT_MIN_S
    always = pace(LineQuality(latency_s=0.3, loss=0.999_999))
    longest_s = 0.3 + 0.6 * (2**LOSSES_IN_A_ROW_MAX - 1)
    assert always.arrival_s(1, 0.0) == pytest.approx(longest_s)  # it arrives all the same


def test_jitter_spreads_around_the_latency() -> None:
    waits = [pace(LineQuality(latency_s=0.3, jitter_s=0.025), seed).arrival_s(1, 0.0) for seed in range(500)]
    assert min(waits) < 0.28
    assert max(waits) > 0.32
    assert mean(waits) == pytest.approx(0.3, abs=0.005)


@pytest.mark.parametrize("wrong", [{"latency_s": -1}, {"jitter_s": 0.1}, {"loss": 1.0}, {"flips": -0.1}])
def test_a_quality_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        LineQuality(**wrong)  # type: ignore[arg-type]  # floats, on purpose
