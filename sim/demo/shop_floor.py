"""The floor that the demo's vehicles drive on, and where each product lies on it.

The shop's day passes in a minute and vehicles drive in real time: so their floor is a model of the shop, a sixteenth
as long, on which one drives straight on along an aisle or a crossing.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from types import MappingProxyType
from typing import Final

from sim.fleet_control import Place, Shelf, StoreMap, store_map
from sim.store.assortment import Assortment

__all__ = ["ShopFloor"]

SCALE: Final = 1 / 16  # a power of two: lengths add up exactly, and of ways as short the one with fewer stops is found
STOCK_ROOM: Final = "stock-room"
CHARGER: Final = "charger"


class ShopFloor:
    """Places of the vehicles' map by what a shop calls them."""

    def __init__(self, assortment: Assortment, tills: int) -> None:
        rows = csv.DictReader(io.StringIO(assortment.csv()))  # as everybody gets to know the catalogue
        shelves = {row["sku"]: Shelf(row["aisle"], row["bay"]) for row in rows}
        self.map: Final = _model(store_map(shelves.values(), tills=tills))
        self._shelves = shelves

    @property
    def stock_room(self) -> Place:
        """Where restocking begins."""
        return self.map.place(STOCK_ROOM)

    @property
    def starts(self) -> Sequence[Place]:
        """Where the vehicles stand in the morning."""
        return self.stock_room, self.map.place(CHARGER)

    def place_of(self, sku: str) -> Place | None:
        """Where a product lies; None for one that the shop does not sell."""
        shelf = self._shelves.get(sku)
        return self.map.shelf(shelf.aisle, shelf.bay) if shelf else None

    def near_stock_room(self, products_max: int) -> Sequence[tuple[str, Place]]:
        """The first product of each of the bays that are next to the stock room, with the place of the bay."""
        first = {self.map.shelf(shelf.aisle, shelf.bay): sku for sku, shelf in sorted(self._shelves.items())}
        room = self.stock_room
        near = sorted(first, key=lambda place: (place.distance_m(room.x, room.y), place.node_id))
        return [(first[place], place) for place in near[:products_max]]


def _model(shop: StoreMap) -> StoreMap:
    places = {node_id: replace(place, x=place.x * SCALE, y=place.y * SCALE) for node_id, place in shop.places.items()}
    return replace(shop, places=MappingProxyType(places), neighbours=_straight_on(shop))


def _straight_on(shop: StoreMap) -> Mapping[str, frozenset[str]]:
    """Each place's neighbours, with all places of the same aisle or crossing among them."""
    rows: dict[str, list[str]] = defaultdict(list)
    for node_id in shop.places:
        kind, _, rest = node_id.partition("-")
        match kind:
            case "shelf":
                rows[f"aisle {rest.partition('-')[0]}"].append(node_id)
            case "front" | "back":
                rows[f"aisle {rest}"].append(node_id)
                rows[kind].append(node_id)
    neighbours = {node_id: set(near) for node_id, near in shop.neighbours.items()}
    for row in rows.values():
        for one, other in permutations(row, 2):
            neighbours[one].add(other)
    return MappingProxyType({node_id: frozenset(near) for node_id, near in neighbours.items()})
