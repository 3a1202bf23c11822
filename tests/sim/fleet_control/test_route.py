"""Routes: as short as any, along ways that exist."""

from itertools import pairwise, product

import pytest

from sim.fleet_control.route import route_length_m, shortest_route
from sim.fleet_control.store_map import Shelf, StoreMap, store_map
from tests.sim.fleet_control.small_store import STORE

UNEVEN = store_map([Shelf("a", "1"), *(Shelf("b", str(bay)) for bay in range(5)), Shelf("c", "1")], tills=3)


def lengths(store: StoreMap) -> dict[tuple[str, str], float]:
    """All shortest lengths, by Floyd and Warshall: slower, and not the same code."""
    found = {(one, one): 0.0 for one in store.places}
    for one, near in store.neighbours.items():
        place = store.places[one]
        found.update({(one, other): store.places[other].distance_m(place.x, place.y) for other in near})
    for through, start, end in product(store.places, repeat=3):
        if (start, through) in found and (through, end) in found:
            length = found[start, through] + found[through, end]
            found[start, end] = min(length, found.get((start, end), length))
    return found


@pytest.mark.parametrize("store", [STORE, UNEVEN], ids=["even", "uneven"])
def test_every_route_is_the_shortest_and_follows_the_ways(store: StoreMap) -> None:
    shortest = lengths(store)
    for start, goal in product(store.places.values(), repeat=2):
        route = shortest_route(store, start, goal)
        assert (route[0], route[-1]) == (start, goal)
        assert all(end.node_id in store.neighbours[begin.node_id] for begin, end in pairwise(route))
        assert route_length_m(route) == pytest.approx(shortest[start.node_id, goal.node_id])


def test_a_route_to_where_one_stands_is_that_place() -> None:
    place = STORE.place("till-1")
    assert shortest_route(STORE, place, place) == (place,)
    assert route_length_m((place,)) == 0.0
