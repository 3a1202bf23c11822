"""The store as a vehicle sees it: places in metres and the ways between them, laid out from the catalogue's shelves.

Aisles run away from the front, side by side in the order of their names; crossings join them at the front and at the
back. Tills stand before the front, the stock room behind the back, the charger beside the first aisle. Vehicles do
not hinder one another on it: it says where they can go, not who may.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import hypot
from types import MappingProxyType
from typing import Final

from agent.errors import CallerError

__all__ = ["MAP_ID", "Place", "PlaceKind", "PlaceUnknown", "Shelf", "StoreMap", "store_map"]

MAP_ID: Final = "shop"

AISLE_PITCH_M: Final = 3.0
BAY_PITCH_M: Final = 1.5
TILL_PITCH_M: Final = 2.0
TILLS_BEFORE_FRONT_M: Final = 3.0
BESIDE_M: Final = 2.0  # stock room and charger, from the crossing that they lie at

AISLES_MAX: Final = 100
BAYS_MAX: Final = 100
TILLS_MAX: Final = 100


class PlaceUnknown(CallerError):
    """A place that is not on the map."""


class PlaceKind(StrEnum):
    """What a place is for."""

    CROSSING = "crossing"
    SHELF = "shelf"
    TILL = "till"
    STOCK_ROOM = "stock room"
    CHARGER = "charger"


@dataclass(frozen=True, slots=True, order=True)
class Shelf:
    """Where a product lies, as the catalogue spells it."""

    aisle: str
    bay: str


@dataclass(frozen=True, slots=True)
class Place:
    """A node of the map: `x` along the front, `y` away from it, in metres."""

    node_id: str
    kind: PlaceKind
    x: float
    y: float

    def distance_m(self, x: float, y: float) -> float:
        """As the crow flies."""
        return hypot(self.x - x, self.y - y)


@dataclass(frozen=True, slots=True)
class StoreMap:
    """Places by node id, and from each the places next to it; every way can be gone both ways."""

    map_id: str
    places: Mapping[str, Place]
    neighbours: Mapping[str, frozenset[str]]
    shelves: Mapping[Shelf, str]

    def place(self, node_id: str) -> Place:
        """The place of a node id.

        Raises:
            PlaceUnknown: the map has none.
        """
        if node_id not in self.places:
            raise PlaceUnknown(
                f"the map has no place {node_id[:80]!r}; it has {', '.join(sorted(self.places))[:200]} …"
            )
        return self.places[node_id]

    def shelf(self, aisle: str, bay: str) -> Place:
        """The place before a bay.

        Raises:
            PlaceUnknown: no product lay there when the map was made.
        """
        node_id = self.shelves.get(Shelf(aisle, bay))
        if node_id is None:
            raise PlaceUnknown(
                f"the map has no bay {bay[:80]!r} in aisle {aisle[:80]!r}: make it anew from the catalogue"
            )
        return self.places[node_id]

    def nearest(self, x: float, y: float) -> Place:
        """The place next to a point; of two as near, the first by name."""
        return min(self.places.values(), key=lambda place: (place.distance_m(x, y), place.node_id))


def store_map(shelves: Iterable[Shelf], *, tills: int = 1, map_id: str = MAP_ID) -> StoreMap:
    """The map of a store with these shelves and tills `till-1` …; `shelf-2-3` is the third bay of the second aisle.

    Raises:
        ValueError: no shelf, no till, or more of them than a store of this simulation has.
    """
    aisles = _aisles(shelves)
    bays_most = max(map(len, aisles), default=0)
    if not (1 <= len(aisles) <= AISLES_MAX and bays_most <= BAYS_MAX and 1 <= tills <= TILLS_MAX):
        raise ValueError(
            f"{len(aisles)} aisles of up to {bays_most} bays, {tills} tills: expected 1 to {AISLES_MAX} aisles of up to"
            f" {BAYS_MAX} bays, 1 to {TILLS_MAX} tills"
        )
    drawing = _Drawing()
    for number, aisle in enumerate(aisles, 1):
        drawing.aisle(number, aisle, depth_m=(bays_most + 1) * BAY_PITCH_M)
    drawing.surroundings(tills)
    return StoreMap(
        map_id,
        MappingProxyType(drawing.places),
        MappingProxyType({node_id: frozenset(near) for node_id, near in drawing.neighbours.items()}),
        MappingProxyType(drawing.shelves),
    )


def _aisles(shelves: Iterable[Shelf]) -> list[list[Shelf]]:
    by_aisle: dict[str, list[Shelf]] = {}
    for shelf in sorted(set(shelves)):
        by_aisle.setdefault(shelf.aisle, []).append(shelf)
    return list(by_aisle.values())


class _Drawing:
    """A map in the making."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.neighbours: dict[str, set[str]] = {}
        self.shelves: dict[Shelf, str] = {}

    def aisle(self, number: int, shelves: list[Shelf], depth_m: float) -> None:
        x = (number - 1) * AISLE_PITCH_M
        before = self._place(f"front-{number}", PlaceKind.CROSSING, x, 0.0, f"front-{number - 1}")
        for bay, shelf in enumerate(shelves, 1):
            before = self._place(f"shelf-{number}-{bay}", PlaceKind.SHELF, x, bay * BAY_PITCH_M, before)
            self.shelves[shelf] = before
        self._place(f"back-{number}", PlaceKind.CROSSING, x, depth_m, before, f"back-{number - 1}")

    def surroundings(self, tills: int) -> None:
        fronts = [place for node_id, place in self.places.items() if node_id.startswith("front-")]
        back = self.places["back-1"]
        for number in range(1, tills + 1):
            x, y = (number - 1) * TILL_PITCH_M, -TILLS_BEFORE_FRONT_M
            front = min(fronts, key=lambda place: place.distance_m(x, y))
            self._place(f"till-{number}", PlaceKind.TILL, x, y, front.node_id)
        self._place("stock-room", PlaceKind.STOCK_ROOM, back.x, back.y + BESIDE_M, back.node_id)
        self._place("charger", PlaceKind.CHARGER, -BESIDE_M, 0.0, "front-1")

    def _place(self, node_id: str, kind: PlaceKind, x: float, y: float, *next_to: str) -> str:
        self.places[node_id] = Place(node_id, kind, x, y)
        self.neighbours[node_id] = set()
        for other in next_to:
            if other in self.places:  # the first aisle has none before it
                self.neighbours[node_id].add(other)
                self.neighbours[other].add(node_id)
        return node_id
