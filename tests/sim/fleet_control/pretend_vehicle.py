"""A vehicle in a test's hands: takes order messages, moves when told to, and says its state as VDA 5050 2.0.0 does."""

import json
from dataclasses import dataclass, field
from typing import Any

from agent.fleet.topics import FleetTopic, VehicleIdentity
from sim.fleet_control.control import FleetControl, Outgoing

__all__ = ["Json", "PretendVehicle"]

Json = dict[str, Any]  # Any: JSON


@dataclass
class PretendVehicle:
    """Fault modes are what a test does to `state` or leaves undone."""

    serial_number: str = "agv-1"
    x: float = 0.0
    y: float = 0.0
    state: Json = field(init=False)
    order: dict[int, Json] = field(default_factory=dict)
    """All nodes by sequence id, from every update."""

    def __post_init__(self) -> None:
        self.identity = VehicleIdentity("acme", self.serial_number)
        self.state = {
            "orderId": "",
            "orderUpdateId": 0,
            "lastNodeId": "",
            "lastNodeSequenceId": 0,
            "nodeStates": [],
            "edgeStates": [],
            "actionStates": [],
            "errors": [],
            "operatingMode": "AUTOMATIC",
            "safetyState": {"eStop": "NONE", "fieldViolation": False},
            "batteryState": {"batteryCharge": 80.0, "charging": False},
            "driving": False,
            "agvPosition": {"x": self.x, "y": self.y, "theta": 0.0, "mapId": "shop", "positionInitialized": True},
        }

    def connect(self, control: FleetControl, word: str = "ONLINE") -> None:
        """Says that it is there, or not."""
        body = json.dumps({"connectionState": word}).encode()
        control.received(self.identity.topic(FleetTopic.CONNECTION), body)

    def tell(self, control: FleetControl, **changes: object) -> None:
        """Sends its state, with these fields changed."""
        self.state |= changes
        control.received(self.identity.topic(FleetTopic.STATE), json.dumps(self.state).encode())

    def take(self, outgoing: Outgoing) -> Json:
        """Takes a message for what it is."""
        body: Json = json.loads(outgoing.payload)
        if outgoing.topic == self.identity.topic(FleetTopic.ORDER):
            self._accept(body)
        else:
            assert outgoing.topic == self.identity.topic(FleetTopic.INSTANT_ACTIONS)
            self._cancel(body["actions"][0]["actionId"])
        return body

    def drive(self) -> None:
        """To the next released node, and does there what is to be done."""
        node = self.state["nodeStates"][0]
        assert node["released"]
        self._pass(node["sequenceId"])

    def drive_on(self) -> None:
        """As far as it may."""
        while self.state["nodeStates"] and self.state["nodeStates"][0]["released"]:
            self.drive()

    def set_action(self, action_id: str, status: str, why: str = "") -> None:
        """Says how far an action is."""
        kept = [each for each in self.state["actionStates"] if each["actionId"] != action_id]
        said = {"actionId": action_id, "actionType": "", "actionStatus": status, "resultDescription": why}
        self.state["actionStates"] = [*kept, said]

    def refuse(self, body: Json, why: str) -> None:
        """Complains of an order instead of taking it."""
        references = [{"referenceKey": key, "referenceValue": str(body[key])} for key in ("orderId", "orderUpdateId")]
        error = {
            "errorType": "orderError",
            "errorLevel": "WARNING",
            "errorDescription": why,
            "errorReferences": references,
        }
        self.state["errors"] = [error]

    def _accept(self, body: Json) -> None:
        if body["orderId"] != self.state["orderId"]:
            assert not self.state["nodeStates"], "a new order came while another was active"
            self.order.clear()
            self.state["actionStates"] = []
        elif body["orderUpdateId"] <= self.state["orderUpdateId"]:
            return
        self.state |= {"orderId": body["orderId"], "orderUpdateId": body["orderUpdateId"], "errors": []}
        ahead = {each["sequenceId"] for each in self.state["nodeStates"] if each["released"]}
        first, *_ = body["nodes"]
        self.order = {key: node for key, node in self.order.items() if key in ahead} | {
            node["sequenceId"]: node for node in body["nodes"]
        }
        for node in body["nodes"]:
            for action in node["actions"]:
                if action["actionId"] not in {each["actionId"] for each in self.state["actionStates"]}:
                    self.set_action(action["actionId"], "WAITING")
        passed = first["sequenceId"] if first["sequenceId"] not in ahead else -1
        self.state["nodeStates"] = [
            {"nodeId": node["nodeId"], "sequenceId": key, "released": node["released"]}
            for key, node in sorted(self.order.items())
            if key != passed
        ]
        if first["sequenceId"] == 0:
            self._pass(0)

    def _pass(self, sequence_id: int) -> None:
        node = self.order[sequence_id]
        left = [each for each in self.state["nodeStates"] if each["sequenceId"] > sequence_id]
        self.state |= {"nodeStates": left, "lastNodeId": node["nodeId"], "lastNodeSequenceId": sequence_id}
        self.state["agvPosition"] |= {key: node["nodePosition"][key] for key in ("x", "y")}
        for action in node["actions"]:
            self.set_action(action["actionId"], "FINISHED")

    def _cancel(self, action_id: str) -> None:
        active = bool(self.state["nodeStates"])
        for action in list(self.state["actionStates"]):
            if action["actionStatus"] == "WAITING":
                self.set_action(action["actionId"], "FAILED")
        self.set_action(action_id, "FINISHED" if active else "FAILED")
        self.state["nodeStates"] = []
