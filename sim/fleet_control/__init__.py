"""Fleet control of the simulated store: a map, errands, VDA 5050 orders, and what vehicles made of them."""

from sim.fleet_control.control import ErrandKnown, ErrandReport, ErrandsFull, FleetControl, MessageUnreadable
from sim.fleet_control.issuer import OrderIssuer
from sim.fleet_control.mission import OrderRules, Progress
from sim.fleet_control.plan import Errand
from sim.fleet_control.store_map import MAP_ID, Place, PlaceUnknown, Shelf, StoreMap, store_map

__all__ = [
    "MAP_ID",
    "Errand",
    "ErrandKnown",
    "ErrandReport",
    "ErrandsFull",
    "FleetControl",
    "MessageUnreadable",
    "OrderIssuer",
    "OrderRules",
    "Place",
    "PlaceUnknown",
    "Progress",
    "Shelf",
    "StoreMap",
    "store_map",
]
