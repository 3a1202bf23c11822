"""Places as values and as the keys under which rows are stored."""

from hypothesis import given
from hypothesis import strategies as st

from agent.log import START, Place

places = st.builds(Place, st.integers(0, 2**22), st.integers(0, 2**40 - 1))


@given(places)
def test_a_place_comes_back_from_its_key(place: Place) -> None:
    assert Place.of_key(place.key) == place
    assert place.key < 2**63


@given(places, places)
def test_keys_sort_as_places_do(one: Place, other: Place) -> None:
    assert (one < other) == (one.key < other.key)


def test_start_is_before_every_event() -> None:
    assert Place(1, 1) > START
    assert START.key == 0
