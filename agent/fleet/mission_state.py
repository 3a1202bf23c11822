"""Where a mission stands: one frozen value and the questions it answers. How it changes: `transitions`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.fleet.commands import Control
from agent.fleet.errors import VehicleError
from agent.fleet.model import Action, BlockingType, Edge, Node, NodeRef, Order
from agent.fleet.vehicle_state import ActionState, ActionStatus, EmergencyStop, Load

__all__ = ["MissionState", "OpenControl", "OpenDrive", "TrackedAction"]


@dataclass(frozen=True, slots=True)
class TrackedAction:
    """An action on its way from waiting to its end."""

    action: Action
    node: NodeRef | None
    """Where it is to be done; `None`: an instant action."""
    status: ActionStatus
    result: str = ""
    command_id: int | None = None
    """The command that does it, from its being issued until its outcome is known."""
    unknown: bool = False
    """Nobody can tell whether it was done."""
    expired: int = 0
    """How many commands for it came too late."""

    @property
    def blocking(self) -> BlockingType:
        return self.action.blocking_type


@dataclass(frozen=True, slots=True)
class OpenDrive:
    """A drive without a result so far."""

    command_id: int
    node: NodeRef


@dataclass(frozen=True, slots=True)
class OpenControl:
    """A pause, resume or cancel without a result so far."""

    command_id: int
    control: Control


@dataclass(frozen=True, slots=True)
class MissionState:
    """Everything that must survive a crash."""

    next_command_id: int
    received: Order | None = None
    """The order or update accepted last, as received."""
    nodes: tuple[Node, ...] = ()
    """Still to be passed; the node that it started on is not among them."""
    edges: tuple[Edge, ...] = ()
    decision_point: NodeRef | None = None
    """The last released node."""
    last_node: NodeRef | None = None
    on_node: bool = False
    """Whether it has not left the last node since."""
    actions: Mapping[str, TrackedAction] = field(default_factory=dict)
    """By action id, in the order in which they are reported and done."""
    past_instants: Mapping[str, TrackedAction] = field(default_factory=dict)
    """Instant actions that are no longer reported; should one come again, it has been done."""
    drive: OpenDrive | None = None
    drives_expired: int = 0
    control: OpenControl | None = None
    pause_wanted: bool = False
    paused: bool = False
    cancelling: bool = False
    cancel_sent: bool = False
    cancelled: bool = False
    stop: EmergencyStop = EmergencyStop.NONE
    held: bool = False
    """A drive failed: nothing is commanded until a person retries, or the order is cancelled."""
    errors: tuple[VehicleError, ...] = ()

    @property
    def order_id(self) -> str:
        """Of the current or the last order; empty before the first."""
        return self.received.order_id if self.received else ""

    @property
    def order_update_id(self) -> int:
        return self.received.order_update_id if self.received else 0

    @property
    def order_actions(self) -> Iterator[TrackedAction]:
        return (tracked for tracked in self.actions.values() if tracked.node)

    @property
    def open_instants(self) -> Iterator[TrackedAction]:
        """Instant actions that have not ended."""
        return (tracked for tracked in self.actions.values() if not tracked.node and not tracked.status.ended)

    @property
    def running(self) -> tuple[TrackedAction, ...]:
        """The order's actions that were begun and have no known end."""
        return tuple(each for each in self.order_actions if each.status is ActionStatus.RUNNING)

    @property
    def idle(self) -> bool:
        """Nothing left to pass and to do (2.1: 6.6.2 step 3): a new order may come."""
        at_rest = not (self.nodes or self.edges or self.cancelling)
        return at_rest and all(tracked.status.ended for tracked in self.order_actions)

    @property
    def base_runs_low(self) -> bool:
        """At most one released node is ahead, and a horizon follows it (2.1: 6.10.3)."""
        return any(not node.released for node in self.nodes[:2])

    @property
    def open_command_ids(self) -> tuple[int, ...]:
        """Commands whose result is awaited."""
        outer = (each.command_id for each in (self.drive, self.control) if each)
        return (*outer, *(each.command_id for each in self.actions.values() if each.command_id is not None))

    def action_of(self, command_id: int) -> TrackedAction | None:
        """The action that a command does."""
        return next((each for each in self.actions.values() if each.command_id == command_id), None)

    def action_states(self) -> tuple[ActionState, ...]:
        """What the state message says of the actions."""
        return tuple(
            ActionState(action_id, each.action.action_type, self.status_of(each), each.result)
            for action_id, each in self.actions.items()
        )

    def status_of(self, tracked: TrackedAction) -> ActionStatus:
        """What is said of an action: one of the order that runs is PAUSED while the vehicle is (2.1: 6.11)."""
        halted = self.paused and tracked.node is not None and not tracked.unknown
        return ActionStatus.PAUSED if halted and tracked.status is ActionStatus.RUNNING else tracked.status

    @property
    def load(self) -> Load:
        """What the last pick of the order said of its load."""
        for tracked in reversed([*self.order_actions]):
            if tracked.action.action_type == "pick" and tracked.status is ActionStatus.FINISHED:
                said = {each.key: str(each.value) for each in tracked.action.action_parameters}
                return Load(said.get("loadId", ""), said.get("loadType", ""))
        return Load()
