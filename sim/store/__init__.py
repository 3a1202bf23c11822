"""The simulated shop's sales: where they come from, and what happens at which till at what time."""

from sim.store.actions import SensorAction, TillAction
from sim.store.backoffice import backoffice_actions
from sim.store.baskets import Basket, Line, Product, SalesSource
from sim.store.errors import DatasetAbsent, SourceRefused
from sim.store.schedule import TillSchedule, Visit, schedule_tills
from sim.store.source import SourceOptions, open_source

__all__ = [
    "Basket",
    "DatasetAbsent",
    "Line",
    "Product",
    "SalesSource",
    "SensorAction",
    "SourceOptions",
    "SourceRefused",
    "TillAction",
    "TillSchedule",
    "Visit",
    "backoffice_actions",
    "open_source",
    "schedule_tills",
]
