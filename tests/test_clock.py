"""Two clocks, ids that sort by time, and one way to write a moment."""

import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from types import SimpleNamespace
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import (
    IdFactory,
    ShopClock,
    SystemClock,
    boot_id,
    clock_synchronised,
    moment_of,
    rfc3339,
    system_random,
)

NOON = datetime(2017, 3, 5, 12, tzinfo=UTC)
moments = st.builds(
    lambda seconds, microseconds, hours: datetime.fromtimestamp(seconds, timezone(timedelta(hours=hours))).replace(
        microsecond=microseconds
    ),
    st.integers(10**5, 2 * 10**11),
    st.integers(0, 999_999),
    st.sampled_from([0, 5.5, -8]),
)


def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = time.monotonic()
    assert before <= clock.monotonic_s() <= time.monotonic()
    assert abs(clock.wall() - datetime.now(UTC)) < timedelta(minutes=1)
    assert clock.wall().tzinfo is UTC


def test_a_shop_clock_scales_what_happened_when_and_no_time_out() -> None:
    origin_s = time.monotonic() - 10
    clock = ShopClock(NOON, origin_s, 3_600)
    assert timedelta(hours=10) <= clock.wall() - NOON < timedelta(hours=12)
    before = time.monotonic()
    assert before <= clock.monotonic_s() <= time.monotonic()


@given(moments, st.integers(0, 2**32))
def test_ids_are_uuids_of_version_7(moment: datetime, seed: int) -> None:
    value = UUID(IdFactory(lambda: moment, Random(seed))())
    assert (value.version, value.variant) == (7, RFC_4122)
    assert value.int >> 80 == int(moment.timestamp() * 1000)


@given(moments, moments)
def test_ids_of_later_milliseconds_sort_later_as_text(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other + timedelta(milliseconds=1)))
    if int(earlier.timestamp() * 1000) < int(later.timestamp() * 1000):
        assert IdFactory(lambda: earlier, Random(1))() < IdFactory(lambda: later, Random(0))()


def test_ids_of_one_millisecond_differ_and_a_seed_repeats_them() -> None:
    first, again = (IdFactory(lambda: NOON, Random(7)) for _ in range(2))
    ids = [first() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert ids == [again() for _ in range(1_000)]


def test_the_random_bits_of_an_id_use_their_whole_width() -> None:
    low = UUID(IdFactory(lambda: NOON, _Constant(0))()).int
    high = UUID(IdFactory(lambda: NOON, _Constant(2**74 - 1))()).int
    assert (low ^ high).bit_count() == 74


class _Constant(Random):
    """Randomness that is none."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def getrandbits(self, k: int, /) -> int:
        assert k == 74
        return self._bits


def test_a_devices_randomness_is_the_operating_systems() -> None:
    random = system_random()
    random.seed(1)
    first = random.getrandbits(64)
    random.seed(1)
    assert random.getrandbits(64) != first, "a seed must not repeat it"


def test_the_boot_id_stays_the_same_within_a_boot() -> None:
    assert boot_id() == boot_id()
    assert UUID(boot_id())


def test_without_the_kernels_boot_id_there_is_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("agent.clock.Path", lambda _: tmp_path / "missing")
    assert boot_id().startswith("unknown-")
    assert boot_id() == boot_id()


def test_the_kernel_says_whether_its_clock_is_synchronised() -> None:
    assert clock_synchronised() in (True, False)


@pytest.mark.parametrize(("state", "answer"), [(0, True), (1, True), (5, False)])
def test_only_the_kernels_error_state_means_unsynchronised(
    state: int, *, answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.clock._LIBC", SimpleNamespace(adjtimex=lambda _: state))
    assert clock_synchronised() is answer


@pytest.mark.case("C5")
@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2017-03-05T12:00:00.000Z"),
        (NOON.replace(microsecond=120_000), "2017-03-05T12:00:00.120Z"),
        (NOON.replace(microsecond=123_456), "2017-03-05T12:00:00.123456Z"),
        (NOON.astimezone(timezone(timedelta(hours=9))), "2017-03-05T12:00:00.000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_moments_are_written_in_utc_and_milliseconds_or_finer(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text


@given(moments)
def test_a_written_moment_reads_back_the_same(moment: datetime) -> None:
    assert datetime.fromisoformat(rfc3339(moment)) == moment


@pytest.mark.case("C5")
@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
        ("2016-12-31T23:59:60.250Z", "2016-12-31T23:59:59.250Z"),
        ("2017-01-01T00:59:60+01:00", "2016-12-31T23:59:59.000Z"),
        ("2017-01-01T05:29:60+05:30", "2016-12-31T23:59:59.000Z"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00.000Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00.000Z"),
    ],
)
def test_a_leap_second_and_the_hour_that_comes_twice_have_their_moment_in_utc(text: str, written: str) -> None:
    assert rfc3339(moment_of(text)) == written


@pytest.mark.case("C5")
@pytest.mark.parametrize("text", ["2026-11-21T10:42:60Z", "2026-11-21T23:59:60+01:00", "2016-12-31T23:59:60", "60"])
def test_a_second_60_within_a_day_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"second 60|isoformat"):
        moment_of(text)


@pytest.mark.case("C5")
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "Pacific/Apia", "UTC"])
def test_whatever_the_machines_zone_is_and_becomes_the_wall_clock_is_utc(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = SystemClock().wall()
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        now = SystemClock().wall()
        assert now.utcoffset() == timedelta(0)
        assert timedelta(0) <= now - before < timedelta(minutes=1)
        assert rfc3339(now).endswith("Z")
    time.tzset()
