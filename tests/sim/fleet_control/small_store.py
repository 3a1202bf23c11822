"""A small store: two aisles of three bays, two tills."""

from sim.fleet_control.store_map import Shelf, store_map

__all__ = ["SHELVES", "STORE"]

SHELVES = tuple(Shelf(aisle, bay) for aisle in ("Bakery", "Dairy") for bay in ("1", "2", "3"))
STORE = store_map(SHELVES, tills=2)
