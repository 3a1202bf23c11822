"""The factsheet message: what a vehicle type can do, in the words of the standard (2.1: 6.15)."""

import json
from datetime import datetime
from typing import Any, Final

from agent.fleet.header import HeaderCounters
from agent.fleet.topics import FleetTopic
from agent.fleet.vehicle_type import STANDARD_INSTANT_ACTIONS, ActionAbility, ProtocolLimits, VehicleType

__all__ = ["encode_factsheet"]

_OPTIONAL_PARAMETERS: Final = (
    ("order.nodes.nodePosition", "REQUIRED"),
    ("order.nodes.nodePosition.theta", "SUPPORTED"),
    ("order.nodes.nodePosition.allowedDeviationXY", "SUPPORTED"),
    ("order.nodes.nodePosition.allowedDeviationTheta", "SUPPORTED"),
    ("order.edges.maxSpeed", "SUPPORTED"),
    ("order.edges.length", "SUPPORTED"),
)


def encode_factsheet(counters: HeaderCounters, vehicle: VehicleType, now: datetime) -> bytes:
    """A factsheet message, to be retained."""
    body = counters.header(FleetTopic.FACTSHEET, now) | {
        "typeSpecification": {
            "seriesName": vehicle.series_name,
            "agvKinematic": vehicle.kinematic,
            "agvClass": vehicle.vehicle_class,
            "maxLoadMass": vehicle.max_load_mass_kg,
            "localizationTypes": ["NATURAL"],
            "navigationTypes": ["AUTONOMOUS"],
        },
        "physicalParameters": {
            "speedMin": 0.0,
            "speedMax": vehicle.speed_max,
            "accelerationMax": vehicle.acceleration_max,
            "decelerationMax": vehicle.deceleration_max,
            "heightMax": vehicle.height,
            "width": vehicle.width,
            "length": vehicle.length,
        },
        "protocolLimits": _limits(vehicle.limits),
        "protocolFeatures": {
            "optionalParameters": [{"parameter": name, "support": how} for name, how in _OPTIONAL_PARAMETERS],
            "agvActions": [_action(each) for each in (*vehicle.actions, *STANDARD_INSTANT_ACTIONS)],
        },
        "agvGeometry": {},
        "loadSpecification": {"loadPositions": list(vehicle.load_positions)},
    }
    return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def _limits(limits: ProtocolLimits) -> dict[str, Any]:  # Any: JSON
    return {
        "maxStringLens": {
            "msgLen": limits.message_bytes,
            "idLen": limits.id_chars,
            "enumLen": limits.enum_chars,
        },
        "maxArrayLens": {
            "order.nodes": limits.nodes,
            "order.edges": limits.edges,
            "node.actions": limits.node_actions,
            "actions.actionsParameters": limits.action_parameters,
            "instantActions": limits.instant_actions,
            "state.nodeStates": limits.node_states,
            "state.actionStates": limits.action_states,
        },
        "timing": {"minOrderInterval": 0.0, "minStateInterval": 0.0},
    }


def _action(ability: ActionAbility) -> dict[str, Any]:
    """Without `blockingTypes`: the official schema of 2.1.0 wants a list that equals a word, and refuses all."""
    return {
        "actionType": ability.action_type,
        "actionScopes": sorted(ability.scopes),
        "actionParameters": [
            {"key": each.key, "valueDataType": each.value_type, "isOptional": each.optional}
            for each in ability.parameters
        ],
    }
