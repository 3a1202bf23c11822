"""Fleet control without I/O: errands in, vehicles' messages in, orders out, and what became of each errand.

An errand goes to the free vehicle that has the shortest way to it. Nothing is kept over a restart: what vehicles are
then about, they finish.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from agent.errors import CallerError, PeerError
from agent.fleet.header import HeaderCounters
from agent.fleet.topics import FleetTopic, VehicleIdentity
from sim.fleet_control.mission import Message, Mission, OrderRules, Progress
from sim.fleet_control.plan import Errand, plan_errand
from sim.fleet_control.route import route_length_m, shortest_route
from sim.fleet_control.seen_state import SeenState
from sim.fleet_control.store_map import Place, StoreMap

__all__ = ["ErrandKnown", "ErrandReport", "ErrandsFull", "FleetControl", "MessageUnreadable", "Outgoing"]

ON_PLACE_M: Final = 0.2
"""A vehicle this near to a place stands on it."""

ERRANDS_MAX: Final = 10_000
"""Kept with what became of them: many days of a store."""

TOPICS: Final = (FleetTopic.CONNECTION, FleetTopic.STATE)
"""What fleet control listens to."""


class MessageUnreadable(PeerError):
    """A vehicle's message that is not what VDA 5050 says."""


class ErrandKnown(CallerError):
    """An errand id that was requested before."""


class ErrandsFull(CallerError):
    """More errands than one fleet control keeps."""


@dataclass(frozen=True, slots=True)
class ErrandReport:
    """What became of an errand so far, on which vehicle, and why when it went wrong."""

    errand: Errand
    progress: Progress = Progress.WAITING
    order_id: str = ""
    vehicle: VehicleIdentity | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish, at QoS 0 and not retained."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class _Vehicle:
    identity: VehicleIdentity
    headers: HeaderCounters
    online: bool = False
    state: SeenState | None = None
    mission: Mission | None = None


class FleetControl:
    """Sends vehicles on errands in one store."""

    def __init__(
        self,
        store: StoreMap,
        vehicles: Iterable[VehicleIdentity],
        new_order_id: Callable[[], str],
        rules: OrderRules | None = None,
    ) -> None:
        self._store = store
        self._vehicles = [_Vehicle(identity, HeaderCounters(identity)) for identity in vehicles]
        self._by_topic = {each.identity.topic(topic): (each, topic) for each in self._vehicles for topic in TOPICS}
        self._new_order_id = new_order_id
        self._rules = rules or OrderRules()
        self._reports: dict[str, ErrandReport] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return tuple(self._by_topic)

    @property
    def free(self) -> tuple[VehicleIdentity, ...]:
        """The vehicles that could take an errand now."""
        return tuple(each.identity for each in self._vehicles if self._standing(each) is not None)

    @property
    def reports(self) -> tuple[ErrandReport, ...]:
        """What became of every errand, in the order of the requests."""
        return tuple(self._reports.values())

    def report(self, errand_id: str) -> ErrandReport:
        """What became of one errand.

        Raises:
            KeyError: it was never requested.
        """
        return self._reports[errand_id]

    def request(self, errand: Errand) -> None:
        """Takes an errand on.

        Raises:
            ErrandKnown: its id was requested before.
            ErrandsFull: it is one too many.
            PlaceUnknown: it names a place that the map lacks.
        """
        if errand.errand_id in self._reports:
            raise ErrandKnown(f"errand {errand.errand_id[:80]!r} was requested before: each needs an id of its own")
        if len(self._reports) == ERRANDS_MAX:
            raise ErrandsFull(
                f"{ERRANDS_MAX:,} errands are kept, and none is ever forgotten: begin a new fleet control"
            )
        for node_id in (errand.fetch_from, errand.bring_to):
            self._store.place(node_id)
        self._reports[errand.errand_id] = ErrandReport(errand)

    def cancel(self, errand_id: str, reason: str = "cancelled on request") -> None:
        """Gives an errand up; a vehicle that is about it cancels its order. Harmless when it is over.

        Raises:
            KeyError: it was never requested.
        """
        report = self._reports[errand_id]
        if report.progress is Progress.WAITING:
            self._reports[errand_id] = replace(report, progress=Progress.CANCELLED, reason=reason)
        for mission in self._missions():
            if mission.plan.errand.errand_id == errand_id:
                mission.end(Progress.CANCELLED, reason)

    def received(self, topic: str, payload: bytes) -> None:
        """Takes a message of a vehicle into account; other topics are left alone.

        Raises:
            MessageUnreadable: it is not what VDA 5050 says, and changed nothing.
        """
        if topic not in self._by_topic:
            return
        vehicle, kind = self._by_topic[topic]
        try:
            if kind is FleetTopic.CONNECTION:
                vehicle.online = _connection_state(payload) == "ONLINE"
            else:
                vehicle.state = SeenState.model_validate_json(payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(map(str, first["loc"])) or "whole message"
            raise MessageUnreadable(f"{topic}: {path}: {first['msg']}") from None
        except ValueError as error:
            raise MessageUnreadable(f"{topic}: {error}") from None
        if vehicle.mission is not None and vehicle.state is not None:
            vehicle.mission.saw(vehicle.state)
            self._note(vehicle, vehicle.mission)

    def lose_sight(self) -> None:
        """The broker was away: no vehicle counts as connected before it, or its retained word, says so again."""
        for vehicle in self._vehicles:
            vehicle.online = False

    def due(self, now_s: float, wall: datetime) -> list[Outgoing]:
        """Gives waiting errands to free vehicles; returns what is to be published now."""
        self._assign()
        return list(self._outgoing(now_s, wall))

    def _assign(self) -> None:
        for report in self.reports:
            if report.progress is not Progress.WAITING:
                continue
            goal = self._store.place(report.errand.fetch_from)
            free = [(each, standing) for each in self._vehicles if (standing := self._standing(each)) is not None]
            if not free:
                return
            vehicle, (start, deviation_m) = min(free, key=lambda pair: self._way_m(pair[1][0], goal))
            plan = plan_errand(report.errand, self._new_order_id(), self._store, start, deviation_m)
            vehicle.mission = Mission(plan, vehicle.identity, self._rules)
            self._note(vehicle, vehicle.mission)

    def _standing(self, vehicle: _Vehicle) -> tuple[Place, float] | None:
        """Where an order for a free vehicle would begin, and how far it may stand from there."""
        state = vehicle.state
        if not vehicle.online or vehicle.mission is not None or state is None or not state.takes_orders:
            return None
        position = state.agv_position
        if position is not None and position.position_initialized and position.map_id == self._store.map_id:
            place = self._store.nearest(position.x, position.y)
            away_m = place.distance_m(position.x, position.y)
            return place, 0.0 if away_m <= ON_PLACE_M else round(away_m + ON_PLACE_M, 2)
        if state.last_node_id in self._store.places:
            return self._store.place(state.last_node_id), 0.0
        return None

    def _way_m(self, start: Place, goal: Place) -> float:
        return route_length_m(shortest_route(self._store, start, goal))

    def _outgoing(self, now_s: float, wall: datetime) -> Iterator[Outgoing]:
        for vehicle in self._vehicles:
            if not vehicle.online or vehicle.mission is None:
                continue
            message = vehicle.mission.due(now_s)
            if message is not None:
                yield _outgoing(vehicle, message, wall)
            self._note(vehicle, vehicle.mission)

    def _note(self, vehicle: _Vehicle, mission: Mission) -> None:
        """Brings the errand's report up to date, and frees the vehicle when the errand is over."""
        errand = mission.plan.errand
        self._reports[errand.errand_id] = ErrandReport(
            errand, mission.progress, mission.plan.order_id, vehicle.identity, mission.reason
        )
        if mission.progress.final:
            vehicle.mission = None

    def _missions(self) -> Iterator[Mission]:
        yield from (each.mission for each in self._vehicles if each.mission is not None)


def _outgoing(vehicle: _Vehicle, message: Message, wall: datetime) -> Outgoing:
    body = vehicle.headers.header(message.topic, wall) | message.body
    return Outgoing(vehicle.identity.topic(message.topic), json.dumps(body, allow_nan=False).encode())


def _connection_state(payload: bytes) -> str:
    body: Any = json.loads(payload)  # Any: JSON
    state = body.get("connectionState") if isinstance(body, dict) else None
    if not isinstance(state, str):
        raise ValueError("connectionState: expected a text")  # noqa: TRY004 - as every other unreadable message
    return state
