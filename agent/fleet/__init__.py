"""The vehicle side of VDA 5050: what is received is read and judged, missions are kept, without I/O.

The shell around it owns the broker, the journal's rows and the bridge to the vehicle.
"""

from agent.fleet.codec import (
    decode_instant_actions,
    decode_order,
    encode_connection,
    encode_state,
    encode_visualization,
)
from agent.fleet.commands import Command, Control, ControlMotion, Drive, LinkReport, Outcome, Perform
from agent.fleet.entries import Entry, entry_from_json, entry_to_json
from agent.fleet.errors import ErrorLevel, ErrorType, MessageRefused, Reference, VehicleError
from agent.fleet.factsheet import encode_factsheet
from agent.fleet.header import Header, HeaderCounters
from agent.fleet.mission import Mission, Step
from agent.fleet.mission_state import MissionState
from agent.fleet.model import Action, ActionParameter, BlockingType, Edge, Node, NodePosition, NodeRef, Order
from agent.fleet.rules import Accepted, Ignored, Rejected, Verdict, accept
from agent.fleet.topics import FleetTopic, IdentityRefused, ProtocolVersion, VehicleIdentity
from agent.fleet.vehicle_state import (
    ActionState,
    ActionStatus,
    Battery,
    ConnectionState,
    EmergencyStop,
    Facts,
    Load,
    OperatingMode,
    Pose,
    VehicleState,
    Velocity,
)
from agent.fleet.vehicle_type import (
    PICK_AND_DROP,
    ActionAbility,
    ActionScope,
    ParameterAbility,
    ProtocolLimits,
    ValueType,
    VehicleType,
)

__all__ = [
    "PICK_AND_DROP",
    "Accepted",
    "Action",
    "ActionAbility",
    "ActionParameter",
    "ActionScope",
    "ActionState",
    "ActionStatus",
    "Battery",
    "BlockingType",
    "Command",
    "ConnectionState",
    "Control",
    "ControlMotion",
    "Drive",
    "Edge",
    "EmergencyStop",
    "Entry",
    "ErrorLevel",
    "ErrorType",
    "Facts",
    "FleetTopic",
    "Header",
    "HeaderCounters",
    "IdentityRefused",
    "Ignored",
    "LinkReport",
    "Load",
    "MessageRefused",
    "Mission",
    "MissionState",
    "Node",
    "NodePosition",
    "NodeRef",
    "OperatingMode",
    "Order",
    "Outcome",
    "ParameterAbility",
    "Perform",
    "Pose",
    "ProtocolLimits",
    "ProtocolVersion",
    "Reference",
    "Rejected",
    "Step",
    "ValueType",
    "VehicleError",
    "VehicleIdentity",
    "VehicleState",
    "VehicleType",
    "Velocity",
    "Verdict",
    "accept",
    "decode_instant_actions",
    "decode_order",
    "encode_connection",
    "encode_factsheet",
    "encode_state",
    "encode_visualization",
    "entry_from_json",
    "entry_to_json",
]
