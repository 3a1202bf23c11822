"""One order from its first node to its last, and the VDA 5050 messages that release it piece by piece.

The whole way is planned at once. Each message releases it up to some node (the base) and shows the rest (the horizon);
an update begins again at the last released node, actions included (2.1: 6.6.2).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from agent.fleet.topics import ProtocolVersion
from sim.fleet_control.route import shortest_route
from sim.fleet_control.store_map import Place, StoreMap

__all__ = ["Errand", "Json", "Plan", "Step", "instant_actions", "plan_errand"]

STATION_TYPE: Final = "floor"  # totes stand before the shelf and at the till

Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class Errand:
    """A product to be fetched from one place and brought to another, by node id."""

    errand_id: str
    sku: str
    fetch_from: str
    bring_to: str
    load_type: str = "TOTE"


@dataclass(frozen=True, slots=True)
class Step:
    """A node of the way, and what to do there: `pick`, `drop` or nothing."""

    place: Place
    action_type: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The order of one errand for one vehicle; `start_deviation_m` is how far it may stand from the first node."""

    order_id: str
    errand: Errand
    map_id: str
    steps: tuple[Step, ...]
    start_deviation_m: float = 0.0

    @property
    def last(self) -> int:
        """Index of the last step."""
        return len(self.steps) - 1

    @property
    def action_ids(self) -> tuple[str, ...]:
        """Of the pick and the drop."""
        return tuple(self._action_id(step) for step in self.steps if step.action_type)

    def order(self, update_id: int, first: int, released_to: int, version: ProtocolVersion) -> Json:
        """The message, without header, that shows the steps from `first` on and releases those up to `released_to`."""
        indexes = range(first, len(self.steps))
        return {
            "orderId": self.order_id,
            "orderUpdateId": update_id,
            "nodes": [self._node(index, version, released=index <= released_to) for index in indexes],
            "edges": [self._edge(start, end, released=end <= released_to) for start, end in pairwise(indexes)],
        }

    def _node(self, index: int, version: ProtocolVersion, *, released: bool) -> Json:
        step = self.steps[index]
        position: Json = {"x": step.place.x, "y": step.place.y, "mapId": self.map_id}
        if index == 0 and self.start_deviation_m:
            position[_deviation_key(version)] = self.start_deviation_m
        return {
            "nodeId": step.place.node_id,
            "sequenceId": 2 * index,
            "released": released,
            "nodePosition": position,
            "actions": [self._action(step)] if step.action_type else [],
        }

    def _edge(self, start: int, end: int, *, released: bool) -> Json:
        start_id, end_id = self.steps[start].place.node_id, self.steps[end].place.node_id
        return {
            "edgeId": f"{start_id}>{end_id}",
            "sequenceId": 2 * start + 1,
            "released": released,
            "startNodeId": start_id,
            "endNodeId": end_id,
            "actions": [],
        }

    def _action(self, step: Step) -> Json:
        parameters = {
            "stationType": STATION_TYPE,
            "stationName": step.place.node_id,
            "loadType": self.errand.load_type,
            "loadId": self.errand.sku,
        }
        return {
            "actionId": self._action_id(step),
            "actionType": step.action_type,
            "blockingType": "HARD",
            "actionParameters": [{"key": key, "value": value} for key, value in parameters.items()],
        }

    def _action_id(self, step: Step) -> str:
        return f"{self.order_id}-{step.action_type}"


def plan_errand(errand: Errand, order_id: str, store: StoreMap, start: Place, start_deviation_m: float = 0.0) -> Plan:
    """The shortest way for a vehicle at `start`: drive, pick, drive, drop.

    Raises:
        PlaceUnknown: the errand names a place that the map lacks.
    """
    source, target = store.place(errand.fetch_from), store.place(errand.bring_to)
    to_source, to_target = shortest_route(store, start, source), shortest_route(store, source, target)
    steps = (
        *map(Step, to_source[:-1]),
        Step(source, "pick"),
        *map(Step, to_target[1:-1]),
        Step(target, "drop"),
    )
    return Plan(order_id, errand, store.map_id, steps, start_deviation_m)


def instant_actions(action_id: str, action_type: str) -> Json:
    """An instantActions message, without header, with one action that takes no parameters (2.1: 6.9)."""
    return {"actions": [{"actionId": action_id, "actionType": action_type, "blockingType": "HARD"}]}


def _deviation_key(version: ProtocolVersion) -> str:
    """2.0.0's own schema spells it otherwise than its text."""
    return "allowedDeviationXy" if version is ProtocolVersion.V2_0_0 else "allowedDeviationXY"
