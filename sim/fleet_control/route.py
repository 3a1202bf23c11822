"""The shortest way between two places of a map (Dijkstra)."""

from heapq import heappop, heappush
from itertools import pairwise

from sim.fleet_control.store_map import Place, StoreMap

__all__ = ["route_length_m", "shortest_route"]


def shortest_route(store: StoreMap, start: Place, goal: Place) -> tuple[Place, ...]:
    """The places from `start` to `goal`, both included; of ways as short, always the same one."""
    before: dict[str, str] = {}
    reached = {start.node_id: 0.0}
    open_places = [(0.0, start.node_id)]
    while open_places:
        length_m, node_id = heappop(open_places)
        if node_id == goal.node_id:
            return _walked(store, before, node_id)
        here = store.places[node_id]
        for near in sorted(store.neighbours[node_id]):
            place = store.places[near]
            through_m = length_m + place.distance_m(here.x, here.y)
            if through_m < reached.get(near, float("inf")):
                reached[near] = through_m
                before[near] = node_id
                heappush(open_places, (through_m, near))
    raise AssertionError(f"a store map is connected; {goal.node_id} was not reached from {start.node_id}")


def route_length_m(route: tuple[Place, ...]) -> float:
    """How far one drives along it."""
    return sum(end.distance_m(start.x, start.y) for start, end in pairwise(route))


def _walked(store: StoreMap, before: dict[str, str], goal: str) -> tuple[Place, ...]:
    walked = [goal]
    while walked[-1] in before:
        walked.append(before[walked[-1]])
    return tuple(store.places[node_id] for node_id in reversed(walked))
