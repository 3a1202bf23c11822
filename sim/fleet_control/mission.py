"""One order on one vehicle, as fleet control follows it: what it sent, what the vehicle made of it, what comes next.

Orders travel at QoS 0: until a state shows that the vehicle has a message, the same one is sent again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.fleet.topics import FleetTopic, VehicleIdentity
from sim.fleet_control.plan import Json, Plan, instant_actions
from sim.fleet_control.seen_state import ActionSeen, SeenState

__all__ = ["Message", "Mission", "OrderRules", "Progress"]

REASON_CHARS_MAX: Final = 200
"""Of a vehicle's own words."""


class Progress(StrEnum):
    """What became of an errand; the last three are final."""

    WAITING = "waiting"
    """For a vehicle."""
    ORDERED = "ordered"
    """Sent; the vehicle has not answered."""
    ACCEPTED = "accepted"
    """The vehicle reports the order as its own."""
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self in (Progress.FINISHED, Progress.FAILED, Progress.CANCELLED)


@dataclass(frozen=True, slots=True)
class OrderRules:
    """How orders are released, and how long fleet control waits for an answer."""

    base_nodes: int = 6
    """Nodes that one message releases beyond where the vehicle is; at least 1."""
    extend_at_nodes: int = 3
    """So few released nodes ahead bring the next update."""
    resend_after_s: float = 2.0
    sendings_max: int = 5
    """Of one message; after that the vehicle is taken not to answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """A body without header, for one of the vehicle's topics."""

    topic: FleetTopic
    body: Json


@dataclass(slots=True)
class _Unanswered:
    message: Message
    sendings: int = 0
    sent_at_s: float = 0.0


class Mission:
    """Drives one plan until its progress is final; tell it what the vehicle says, and send what is due."""

    def __init__(self, plan: Plan, vehicle: VehicleIdentity, rules: OrderRules) -> None:
        self.plan: Final = plan
        self.vehicle: Final = vehicle
        self.progress = Progress.ORDERED
        self.reason = ""
        self._rules = rules
        self._update_id = 0
        self._released_to = 0
        self._unanswered: _Unanswered | None = None
        self._ending: Progress | None = None
        self._release_more(first=0)

    def saw(self, state: SeenState) -> None:
        """Takes a state of the vehicle into account."""
        if state.order_id != self.plan.order_id:
            self._saw_another_order(state)
            return
        self._note_answer(state)
        refusal = _refusal(state, self.plan.order_id, self._update_id)
        failure = self._failed_action(state)
        if self._ending is not None:
            self._go_on_ending(state, self._ending)
        elif refusal is not None and self._awaits_order:
            self.end(Progress.FAILED, f"update {self._update_id} was refused: {refusal}")
        elif failure and state.idle:
            self._fail(failure)
        elif failure:
            self.end(Progress.FAILED, failure)
        elif self._done(state):
            self.progress = Progress.FINISHED
        elif self._wants_more(state):
            self._release_more(first=self._released_to)

    def end(self, how: Progress, reason: str) -> None:
        """Has the vehicle cancel its order; `how` is what will have become of it then."""
        if self._ending is None:
            self._ending, self.reason = how, reason
            self._send(FleetTopic.INSTANT_ACTIONS, instant_actions(self._cancel_id, "cancelOrder"))

    def due(self, now_s: float) -> Message | None:
        """What to send now, to a vehicle that is connected: each message until it is answered, or given up."""
        waiting = self._unanswered
        if waiting is None or (waiting.sendings and now_s - waiting.sent_at_s < self._rules.resend_after_s):
            return None
        if waiting.sendings == self._rules.sendings_max:
            self._fail(f"the vehicle did not answer {waiting.sendings} times the same {waiting.message.topic} message")
            return None
        waiting.sendings += 1
        waiting.sent_at_s = now_s
        return waiting.message

    @property
    def _cancel_id(self) -> str:
        return f"{self.plan.order_id}-cancel"

    def _done(self, state: SeenState) -> bool:
        """Whether the whole plan was released, driven and done."""
        finished = [action.action_status == "FINISHED" for action in self._own_actions(state)]
        whole = self._released_to == self.plan.last and not self._awaits_order
        return whole and state.idle and all(finished) and len(finished) == len(self.plan.action_ids)

    @property
    def _awaits_order(self) -> bool:
        """Whether an order or update is on its way, not yet answered."""
        return self._unanswered is not None and self._unanswered.message.topic is FleetTopic.ORDER

    def _saw_another_order(self, state: SeenState) -> None:
        if self.progress is Progress.ACCEPTED:
            self._fail(f"the vehicle reports another order, {state.order_id[:80]!r}")
            return
        refusal = _refusal(state, self.plan.order_id, self._update_id)
        cancel = state.action(self._cancel_id)
        if refusal is not None:
            self._fail(f"the order was refused: {refusal}")
        elif self._ending is not None and cancel is not None and cancel.ended:
            self.progress = self._ending  # cancelled before it arrived

    def _note_answer(self, state: SeenState) -> None:
        if self._ending is None:
            answered = state.order_update_id == self._update_id
        else:
            answered = state.action(self._cancel_id) is not None
        if answered:
            self._unanswered = None
        self.progress = Progress.ACCEPTED

    def _go_on_ending(self, state: SeenState, how: Progress) -> None:
        cancel = state.action(self._cancel_id)
        if cancel is None or not cancel.ended or not state.idle:
            return
        finished_before = how is Progress.CANCELLED and self._done(state)
        self.progress = Progress.FINISHED if finished_before else how

    def _wants_more(self, state: SeenState) -> bool:
        few = state.new_base_request or state.released_ahead <= self._rules.extend_at_nodes
        return few and self._released_to < self.plan.last and not self._awaits_order

    def _release_more(self, first: int) -> None:
        self._update_id += 1 if first else 0
        self._released_to = min(first + self._rules.base_nodes, self.plan.last)
        body = self.plan.order(self._update_id, first, self._released_to, self.vehicle.version)
        self._send(FleetTopic.ORDER, body)

    def _send(self, topic: FleetTopic, body: Json) -> None:
        self._unanswered = _Unanswered(Message(topic, body))

    def _fail(self, reason: str) -> None:
        self.progress, self.reason, self._unanswered = Progress.FAILED, reason, None

    def _failed_action(self, state: SeenState) -> str:
        for action in self._own_actions(state):
            if action.action_status == "FAILED":
                why = action.result_description[:REASON_CHARS_MAX] or "the vehicle does not say why"
                return f"action {action.action_id} failed: {why}"
        return ""

    def _own_actions(self, state: SeenState) -> list[ActionSeen]:
        return [action for action in map(state.action, self.plan.action_ids) if action is not None]


def _refusal(state: SeenState, order_id: str, update_id: int) -> str | None:
    """Why the vehicle refused a message, in its words, or `None` when it did not (2.1: 6.6.4)."""
    for error in state.errors:
        if error.refers_to(orderId=order_id, orderUpdateId=update_id):
            return f"{error.error_type}: {error.error_description}"[:REASON_CHARS_MAX]
    return None
