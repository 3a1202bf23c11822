"""What fleet control reads of a vehicle's state message: its own reading of VDA 5050, not the vehicle side's."""

from typing import Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["ActionSeen", "ErrorSeen", "PositionSeen", "SeenState"]

_ENDED: Final = frozenset({"FINISHED", "FAILED"})
_TAKES_ORDERS: Final = frozenset({"AUTOMATIC", "SEMIAUTOMATIC"})


class _Seen(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class ElementSeen(_Seen):
    """A node or edge that is still to be passed."""

    sequence_id: int
    released: bool


class ActionSeen(_Seen):
    """How far an action is."""

    action_id: str
    action_status: str
    result_description: str = ""

    @property
    def ended(self) -> bool:
        return self.action_status in _ENDED


class ReferenceSeen(_Seen):
    """What an error is about."""

    reference_key: str
    reference_value: str


class ErrorSeen(_Seen):
    """Something that the vehicle complains of."""

    error_type: str
    error_level: str
    error_description: str = ""
    error_references: tuple[ReferenceSeen, ...] = ()

    def refers_to(self, **references: object) -> bool:
        """Whether it has each of these references, by key and value."""
        has = {each.reference_key: each.reference_value for each in self.error_references}
        return all(has.get(key) == str(value) for key, value in references.items())


class PositionSeen(_Seen):
    """Where the vehicle is, in metres."""

    x: float
    y: float
    map_id: str
    position_initialized: bool


class SafetySeen(_Seen):
    """Whether a stop holds the vehicle."""

    e_stop: str


class BatterySeen(_Seen):
    """Whether it is at the charger."""

    charging: bool


class SeenState(_Seen):
    """One state message, as far as orders depend on it (2.1: 6.10.6)."""

    order_id: str
    order_update_id: int
    last_node_id: str
    last_node_sequence_id: int
    operating_mode: str
    node_states: tuple[ElementSeen, ...]
    edge_states: tuple[ElementSeen, ...]
    action_states: tuple[ActionSeen, ...]
    errors: tuple[ErrorSeen, ...]
    safety_state: SafetySeen
    battery_state: BatterySeen
    paused: bool = False
    new_base_request: bool = False
    agv_position: PositionSeen | None = None

    @property
    def idle(self) -> bool:
        """Nothing left to drive or to do."""
        return not (self.node_states or self.edge_states) and all(action.ended for action in self.action_states)

    @property
    def takes_orders(self) -> bool:
        """Idle, and nothing speaks against a new order."""
        held = self.paused or self.safety_state.e_stop != "NONE" or self.battery_state.charging
        fatal = any(error.error_level == "FATAL" for error in self.errors)
        return self.idle and self.operating_mode in _TAKES_ORDERS and not held and not fatal

    @property
    def released_ahead(self) -> int:
        """How many nodes it may still drive to."""
        return sum(node.released for node in self.node_states)

    def action(self, action_id: str) -> ActionSeen | None:
        """How far an action is, or `None` when the vehicle does not know it."""
        return next((each for each in self.action_states if each.action_id == action_id), None)
