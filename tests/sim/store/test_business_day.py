from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from sim.store.business_day import business_day_of, day_bounds, local_moment

NEW_YORK = ZoneInfo("America/New_York")
moments = st.datetimes(datetime(2016, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds are naive by contract


def test_a_basket_after_midnight_belongs_to_the_evening_before() -> None:
    assert business_day_of(datetime(2017, 12, 19, 8, 59, tzinfo=UTC), NEW_YORK) == date(2017, 12, 18)
    assert business_day_of(datetime(2017, 12, 19, 9, 0, tzinfo=UTC), NEW_YORK) == date(2017, 12, 19)


@given(moments)
def test_every_moment_lies_within_the_bounds_of_its_business_day(moment: datetime) -> None:
    day = business_day_of(moment, NEW_YORK)
    start, end = day_bounds(day, day, NEW_YORK)
    assert start <= moment < end


def test_the_days_on_which_clocks_change_have_23_and_25_hours() -> None:
    for day, hours in ((date(2017, 3, 11), 23), (date(2017, 11, 4), 25), (date(2017, 12, 18), 24)):
        start, end = day_bounds(day, day, NEW_YORK)
        assert end - start == timedelta(hours=hours)


def test_hours_after_midnight_stand_behind_the_evening() -> None:
    day = date(2017, 12, 18)
    assert local_moment(day, time(23, 59), NEW_YORK) < local_moment(day, time(0, 30), NEW_YORK)
    assert business_day_of(local_moment(day, time(0, 30), NEW_YORK), NEW_YORK) == day
