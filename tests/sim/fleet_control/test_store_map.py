"""The map: every shelf has its place, everything can be reached, nothing lies on anything else."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fleet_control.route import shortest_route
from sim.fleet_control.store_map import PlaceKind, PlaceUnknown, Shelf, store_map
from tests.sim.fleet_control.small_store import SHELVES, STORE

NAMES = st.text(min_size=1, max_size=4)
SHELF_LISTS = st.lists(st.builds(Shelf, NAMES, NAMES), min_size=1, max_size=30)


@given(SHELF_LISTS, st.integers(1, 12))
def test_every_shelf_of_any_catalogue_has_a_place_that_can_be_reached(shelves: list[Shelf], tills: int) -> None:
    store = store_map(shelves, tills=tills)
    charger = store.place("charger")
    assert len(store.shelves) == len(set(shelves))
    for shelf in shelves:
        assert store.shelf(shelf.aisle, shelf.bay).kind is PlaceKind.SHELF
    assert sum(place.kind is PlaceKind.TILL for place in store.places.values()) == tills
    for place in store.places.values():
        assert shortest_route(store, charger, place)[-1] == place
        assert all(place.node_id in store.neighbours[near] for near in store.neighbours[place.node_id])


@given(SHELF_LISTS, st.integers(1, 12))
def test_a_vehicle_has_room_at_each_place(shelves: list[Shelf], tills: int) -> None:
    places = store_map(shelves, tills=tills).places.values()
    assert all(one.distance_m(other.x, other.y) >= 1.0 for one, other in combinations(places, 2))


def test_the_map_does_not_depend_on_the_order_of_the_catalogue() -> None:
    again = store_map(reversed(SHELVES), tills=2)
    assert (dict(again.places), dict(again.shelves)) == (dict(STORE.places), dict(STORE.shelves))


def test_a_bay_lies_along_its_aisle() -> None:
    bay = STORE.shelf("Dairy", "2")
    assert (bay.node_id, bay.x, bay.y) == ("shelf-2-2", 3.0, 3.0)


def test_the_nearest_place_is_found() -> None:
    assert STORE.nearest(3.1, 3.2).node_id == "shelf-2-2"


def test_what_is_not_on_the_map_is_refused_by_name() -> None:
    with pytest.raises(PlaceUnknown, match="bay '9' in aisle 'Dairy'"):
        STORE.shelf("Dairy", "9")
    with pytest.raises(PlaceUnknown, match="till-3"):
        STORE.place("till-3")


@pytest.mark.parametrize(("shelves", "tills"), [([], 1), (SHELVES, 0), (SHELVES, 101)])
def test_a_store_without_shelves_or_tills_is_refused(shelves: list[Shelf], tills: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 100"):
        store_map(shelves, tills=tills)
