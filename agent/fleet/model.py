"""What an order says, as frozen values: one model for all VDA 5050 versions. It knows no JSON text and no topics.

Names and units are the standard's (metres, radians, metres per second), those of 2.x where versions differ: what
another version calls otherwise is renamed at its edge. The annotations are also the checks of a received body
(`codec`) and of the journal (`entries`).
"""

from dataclasses import dataclass
from enum import StrEnum
from math import pi
from typing import Annotated, Final

from pydantic import AliasChoices, ConfigDict, Field, JsonValue, StrictBool, StrictFloat, StrictInt
from pydantic.alias_generators import to_camel

__all__ = [
    "WIRE",
    "Action",
    "ActionParameter",
    "BlockingType",
    "Edge",
    "Id",
    "Node",
    "NodePosition",
    "NodeRef",
    "Order",
    "Uint32",
]

WIRE: Final = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore")
"""Fields are known by their name on the wire (`orderId`), in the journal too."""

ANGLE_MAX: Final = pi + 1e-9  # the schemas write pi with 11 digits, rounded up
UINT32_MAX: Final = 2**32 - 1

Id = Annotated[str, Field(min_length=1)]
"""An id that somebody refers to: never empty, which the state uses for "none"."""
Uint32 = Annotated[StrictInt, Field(ge=0, le=UINT32_MAX)]
Angle = Annotated[StrictFloat, Field(ge=-ANGLE_MAX, le=ANGLE_MAX)]
Length = Annotated[StrictFloat, Field(ge=0)]


class BlockingType(StrEnum):
    """What may happen beside an action (2.1: 6.12)."""

    NONE = "NONE"
    """Driving and other actions."""
    SOFT = "SOFT"
    """Other actions; no driving."""
    HARD = "HARD"
    """Nothing."""


@dataclass(frozen=True, slots=True)
class ActionParameter:
    """One key and value that an action is told."""

    __pydantic_config__ = WIRE

    key: Id
    value: JsonValue


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do at a node, on an edge, or at once (2.1: 6.8)."""

    __pydantic_config__ = WIRE

    action_id: Id
    action_type: Id
    blocking_type: BlockingType
    action_parameters: tuple[ActionParameter, ...] = ()


@dataclass(frozen=True, slots=True)
class NodePosition:
    """Where a node lies on a map, and how exactly it has to be met."""

    __pydantic_config__ = WIRE

    x: StrictFloat
    y: StrictFloat
    map_id: Id
    theta: Angle | None = None
    allowed_deviation_xy: Annotated[
        Length | None,
        Field(
            validation_alias=AliasChoices("allowedDeviationXY", "allowedDeviationXy"),  # the second: 2.0.0's schema
            serialization_alias="allowedDeviationXY",
        ),
    ] = None
    allowed_deviation_theta: Annotated[Length | None, Field(le=ANGLE_MAX)] = None


@dataclass(frozen=True, slots=True)
class NodeRef:
    """One node of one order: the same `node_id` may be passed twice, the pair is unique."""

    node_id: str
    sequence_id: int


@dataclass(frozen=True, slots=True)
class Node:
    """A point to be passed; unreleased ones (the horizon) must not be driven to."""

    __pydantic_config__ = WIRE

    node_id: Id
    sequence_id: Uint32
    released: StrictBool
    actions: tuple[Action, ...]
    node_position: NodePosition | None = None

    @property
    def ref(self) -> NodeRef:
        return NodeRef(self.node_id, self.sequence_id)


@dataclass(frozen=True, slots=True)
class Edge:
    """The way from one node to the next."""

    __pydantic_config__ = WIRE

    edge_id: Id
    sequence_id: Uint32
    released: StrictBool
    start_node_id: Id
    end_node_id: Id
    actions: tuple[Action, ...]
    max_speed: Annotated[StrictFloat, Field(gt=0)] | None = None
    length: Length | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """The content of an order message: all but the header."""

    __pydantic_config__ = WIRE

    order_id: Id
    order_update_id: Uint32
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    unmodelled: tuple[str, ...] = ()
    """Paths of optional fields that this model does not carry, such as `edges[0].trajectory`."""

    @property
    def base(self) -> tuple[Node, ...]:
        """The released nodes."""
        return tuple(node for node in self.nodes if node.released)

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions, in the order in which they would be met."""
        elements: list[Node | Edge] = [*self.nodes, *self.edges]
        elements.sort(key=lambda element: element.sequence_id)
        return tuple(action for element in elements for action in element.actions)
