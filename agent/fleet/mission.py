"""The mission of one vehicle, a core without I/O: events go in; what to journal, command and report comes out.

Each input returns a `Step`. Its entries are to be made durable first, then its commands handed over, then the state
published if `changed` says so. Whatever is kept is changed by journal entries alone, so that a mission restored from
them stands where it stood.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from agent.fleet.ability_rules import action_problem, limit_problems_of_action
from agent.fleet.commands import Command, ControlMotion, Drive, LinkReport, Outcome, Perform
from agent.fleet.entries import (
    ActionEnded,
    ActionIssued,
    CancelBegun,
    CommandDone,
    CommandFailed,
    CommandVoided,
    ControlIssued,
    DriveIssued,
    Entry,
    ErrorsRaised,
    InstantReceived,
    InstantRepeated,
    OrderAccepted,
    OutcomeResolved,
    OutcomeUnknown,
    PauseAsked,
    Retried,
    Snapshot,
    StopLatched,
    StopReleased,
    UpdateAccepted,
)
from agent.fleet.errors import ErrorLevel, ErrorType, VehicleError, references
from agent.fleet.mission_state import MissionState
from agent.fleet.model import Action, NodeRef, Order
from agent.fleet.next_entry import next_entry
from agent.fleet.rules import Accepted, Ignored, Rejected, Verdict, accept
from agent.fleet.transitions import apply
from agent.fleet.vehicle_state import ActionStatus, EmergencyStop, Facts, VehicleState, changed_fields
from agent.fleet.vehicle_type import ActionScope, VehicleType

__all__ = ["Mission", "Step"]

EXPIRIES_MAX: Final = 3
"""A command that came too late this often is given up: the line is too slow for its time to live."""

_LINK_LOST: Final = VehicleError(
    ErrorType.LINK_LOST,
    ErrorLevel.FATAL,
    (),
    "no link to the vehicle: it stops itself",
    "check the vehicle and its serial line",
)


@dataclass(frozen=True, slots=True)
class Step:
    """What one input brings about."""

    entries: tuple[Entry, ...]
    """To be made durable together, in one transaction, before anything else is done."""
    commands: tuple[Command, ...]
    """To be handed to the vehicle, in this order."""
    changed: frozenset[str]
    """Fields of the state whose change fleet control has to hear of; `stateRequest` and `order` count as such."""
    factsheet_requested: bool = False
    verdict: Verdict | None = None


class Mission:
    """One vehicle's mission."""

    def __init__(self, vehicle: VehicleType, state: MissionState) -> None:
        self._vehicle = vehicle
        self._state = state
        self._facts = Facts()
        self._ahead: dict[str, object] = {}  # what results say of the vehicle and telemetry may not say yet
        self._ahead_of_next: dict[str, object] = {}  # … also after the next telemetry, which may be older than they
        self._linked = False
        self._entries: list[Entry] = []
        self._commands: list[Command] = []

    @classmethod
    def new(cls, vehicle: VehicleType, first_command_id: int) -> "Mission":
        """A vehicle without a past; its command ids begin beyond every id that the vehicle remembers."""
        return cls(vehicle, MissionState(first_command_id))

    @classmethod
    def restore(cls, vehicle: VehicleType, entries: Iterable[Entry]) -> "Mission":
        """The mission that these entries led to; it commands nothing before `link_up`."""
        journal = iter(entries)
        first = next(journal)
        assert isinstance(first, Snapshot), "a journal begins with a snapshot"
        state = first.state
        for entry in journal:
            state = apply(state, entry)
        return cls(vehicle, state)

    @property
    def state(self) -> MissionState:
        """What the journal amounts to."""
        return self._state

    @property
    def linked(self) -> bool:
        """Whether the vehicle can be commanded."""
        return self._linked

    def snapshot(self) -> Snapshot:
        """The first entry of a journal, or one that stands for all before it."""
        return Snapshot(self._state)

    def vehicle_state(self) -> VehicleState:
        """What the state message says now."""
        state = self._state
        last = state.last_node or NodeRef("", 0)
        return VehicleState(
            order_id=state.order_id,
            order_update_id=state.order_update_id,
            last_node_id=last.node_id,
            last_node_sequence_id=last.sequence_id,
            nodes=state.nodes,
            edges=state.edges,
            action_states=state.action_states(),
            errors=(*state.errors, *self._facts.faults, *(() if self._linked else (_LINK_LOST,))),
            paused=state.paused,
            new_base_request=state.base_runs_low,
            emergency_stop=self._emergency_stop(),
            facts=self._consistent_facts(),
        )

    def _emergency_stop(self) -> EmergencyStop:
        """Out of reach, a vehicle stands latched: it boots so, and becomes so when its lease ends.

        The standard has no word for "not known", and NONE would say that it may be sent off. Who ends the stop is
        somebody away from the vehicle, at the kiosk or the command line: REMOTE.
        """
        known = self._linked or self._state.stop is not EmergencyStop.NONE
        return self._state.stop if known else EmergencyStop.REMOTE

    def _consistent_facts(self) -> Facts:
        """Telemetry, which is up to 100 ms old, brought in line with what commands and results say already."""
        facts = replace(self._facts, **self._ahead)  # type: ignore[arg-type]  # keywords of one dataclass
        state = self._state
        halted = state.pause_wanted or state.paused or state.cancelling or state.stop is not EmergencyStop.NONE
        under_way = self._linked and state.drive is not None and not halted
        return replace(facts, driving=True) if under_way else facts

    # --- from fleet control -------------------------------------------------------------------------------

    def receive_order(self, order: Order, header_id: int) -> Step:
        """An order message that could be read; the verdict is part of the step."""
        before = self.vehicle_state()
        verdict = accept(order, header_id, self._state, self._facts, self._vehicle)
        match verdict:
            case Accepted(is_update=True):
                self._record(UpdateAccepted(order))
            case Accepted():
                self._record(OrderAccepted(order))
            case Rejected(errors=errors):
                self._record(ErrorsRaised(errors))
            case Ignored():
                pass
        return self._step(before, also={"order"}, verdict=verdict)

    def receive_instant_actions(self, actions: Iterable[Action], header_id: int) -> Step:
        """Instant actions that could be read: each is done once, however often it comes."""
        before = self.vehicle_state()
        requested: set[str] = set()
        taken = tuple(actions)
        if len(taken) > self._vehicle.limits.instant_actions:
            most = self._vehicle.limits.instant_actions
            self._record(ErrorsRaised((_instant_error(header_id, f"{len(taken)} actions where {most} are taken"),)))
            taken = ()
        refused: list[VehicleError] = []
        for action in taken:
            if action.action_id in self._state.past_instants:
                self._record(InstantRepeated(action.action_id))
            elif action.action_id not in self._state.actions:
                requested.add(action.action_type)
                if problem := self._begin_instant(action, header_id):
                    about = ErrorType.INSTANT_ACTION, action.action_id
                    refused.append(_instant_error(header_id, problem, *about))
        if refused:  # after the others of the message, whose acceptance ends the errors of earlier messages
            self._record(ErrorsRaised(tuple(refused)))
        return self._step(
            before,
            also=requested & {"stateRequest"},
            factsheet_requested="factsheetRequest" in requested,
        )

    def refuse(self, error: VehicleError) -> Step:
        """A message that could not be read (`MessageRefused.error`)."""
        before = self.vehicle_state()
        self._record(ErrorsRaised((error,)))
        return self._step(before)

    # --- from the vehicle ---------------------------------------------------------------------------------

    def observe(self, facts: Facts) -> Step:
        """New telemetry. A mode in which fleet control is not in control clears the order (2.1: table 1)."""
        before = self.vehicle_state()
        self._facts = facts
        self._ahead, self._ahead_of_next = self._ahead_of_next, {}
        if not (facts.mode.takes_orders or self._state.idle or self._state.cancelling):
            self._record(CancelBegun())
        return self._step(before)

    def command_result(self, command_id: int, outcome: Outcome, reason: str = "") -> Step:
        """The vehicle says what became of a command. What is not awaited (any more) is left alone."""
        before = self.vehicle_state()
        if command_id in self._state.open_command_ids:
            self._settle(command_id, outcome, reason)
        return self._step(before)

    def link_up(self, report: LinkReport) -> Step:
        """The vehicle can be commanded (again), and says what became of the commands it was given."""
        before = self.vehicle_state()
        self._linked = True
        if report.stop is not EmergencyStop.NONE and report.stop is not self._state.stop:
            self._record(StopLatched(report.stop))
        for command_id in self._state.open_command_ids:
            self._settle(command_id, report.outcomes.get(command_id, Outcome.UNKNOWN), "")
        return self._step(before)

    def link_lost(self) -> Step:
        """The vehicle stops itself; nothing is commanded until `link_up`."""
        before = self.vehicle_state()
        self._linked = False
        self._tell_ahead(driving=False)
        return self._step(before)

    # --- from people --------------------------------------------------------------------------------------

    def latch_stop(self, stop: EmergencyStop) -> Step:
        """A stop was sent (`REMOTE`) or the vehicle reports one (`MANUAL`). The order is kept."""
        before = self.vehicle_state()
        if stop is not EmergencyStop.NONE and stop is not self._state.stop:
            self._record(StopLatched(stop))
        return self._step(before)

    def release_stop(self, by: str) -> Step:
        """A person released the stop."""
        before = self.vehicle_state()
        if self._state.stop is not EmergencyStop.NONE:
            self._record(StopReleased(by))
        return self._step(before)

    def resolve(self, action_id: str, *, done: bool, by: str) -> Step:
        """A person says what became of an action whose outcome is unknown; other actions are left alone."""
        before = self.vehicle_state()
        tracked = self._state.actions.get(action_id)
        if tracked and tracked.unknown:
            self._record(OutcomeResolved(action_id, done, by))
        return self._step(before)

    def retry(self, by: str) -> Step:
        """A person lets a failed drive be tried again."""
        before = self.vehicle_state()
        if self._state.held:
            self._record(Retried(by))
        return self._step(before)

    # --- inside -------------------------------------------------------------------------------------------

    def _record(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._commands += self._command_of(entry)
        self._state = apply(self._state, entry)

    def _step(
        self,
        before: VehicleState,
        *,
        also: Iterable[str] = (),
        factsheet_requested: bool = False,
        verdict: Verdict | None = None,
    ) -> Step:
        """Go on as far as possible, then hand over what has come together."""
        while entry := next_entry(self._state, self._facts, linked=self._linked):
            self._record(entry)
        entries, commands = tuple(self._entries), tuple(self._commands)
        self._entries, self._commands = [], []
        changed = changed_fields(before, self.vehicle_state()) | frozenset(also)
        return Step(entries, commands, changed, factsheet_requested, verdict)

    def _command_of(self, entry: Entry) -> Iterator[Command]:
        """The command that an entry announces, from the state before it."""
        match entry:
            case DriveIssued(command_id=command_id):
                yield self._drive(command_id)
            case ActionIssued(command_id=command_id, action_id=action_id):
                action = self._state.actions[action_id].action
                yield Perform(command_id, action_id, action.action_type, action.action_parameters)
            case ControlIssued(command_id=command_id, control=control):
                yield ControlMotion(command_id, control)

    def _drive(self, command_id: int) -> Drive:
        node, edge = self._state.nodes[0], self._state.edges[0]
        position = node.node_position
        assert position, "the rules let no order without positions pass"
        speed = min(self._vehicle.speed_max, edge.max_speed or self._vehicle.speed_max)
        return Drive(command_id, node.ref, position.x, position.y, position.theta, speed)

    def _settle(self, command_id: int, outcome: Outcome, reason: str) -> None:
        tracked = self._state.action_of(command_id)
        match outcome:
            case Outcome.RUNNING:
                pass
            case Outcome.DONE:
                self._finish(command_id, reason)
            case Outcome.FAILED:
                self._record(CommandFailed(command_id, reason))
            case Outcome.NEVER_RECEIVED:
                self._record(CommandVoided(command_id))
            case Outcome.EXPIRED:
                earlier = tracked.expired if tracked else self._state.drives_expired
                given_up = earlier + 1 >= EXPIRIES_MAX
                late = "commands came too late for their time to live"
                self._record(CommandFailed(command_id, late) if given_up else CommandVoided(command_id, expired=True))
            case Outcome.UNKNOWN:
                self._lose_sight(command_id)

    def _finish(self, command_id: int, result: str) -> None:
        tracked, drive = self._state.action_of(command_id), self._state.drive
        self._record(CommandDone(command_id, result))
        if drive and drive.command_id == command_id:
            self._tell_ahead(driving=False)
        elif tracked and self._facts.loads is not None and tracked.action.action_type in ("pick", "drop"):
            self._tell_ahead(loads=(self._state.load,) if tracked.action.action_type == "pick" else ())

    def _tell_ahead(self, **facts: object) -> None:
        self._ahead |= facts
        self._ahead_of_next |= facts

    def _lose_sight(self, command_id: int) -> None:
        """Control may be said again; a drive needs a person; what an action did, only a person can see."""
        tracked = self._state.action_of(command_id)
        control = self._state.control
        if control and control.command_id == command_id:
            self._record(CommandVoided(command_id))
        elif tracked is None:
            self._record(CommandFailed(command_id, "the vehicle does not know how far it came"))
        elif not tracked.unknown:
            self._record(OutcomeUnknown(tracked.action.action_id))

    def _begin_instant(self, action: Action, header_id: int) -> str:
        """Begin it, or say why the vehicle cannot do it."""
        problem = action_problem(action, ActionScope.INSTANT, self._vehicle)
        problem = problem or next(limit_problems_of_action(action, self._vehicle.limits), "")
        self._record(InstantReceived(action, refused=bool(problem)))
        if problem:
            self._record(ActionEnded(action.action_id, ActionStatus.FAILED, problem))
            return problem
        match action.action_type:
            case "startPause" | "stopPause":
                self._record(PauseAsked(action.action_type == "startPause"))
            case "cancelOrder":
                self._begin_cancel(action, header_id)
            case _:  # requests: answered by what the step says is to be published
                self._record(ActionEnded(action.action_id, ActionStatus.FINISHED))
        return ""

    def _begin_cancel(self, action: Action, header_id: int) -> None:
        """Without an order to cancel it fails (2.1: 6.6.3.2); a second one joins the first."""
        if self._state.idle:
            error = _instant_error(
                header_id, "there is no order to cancel", ErrorType.NO_ORDER_TO_CANCEL, action.action_id
            )
            self._record(ErrorsRaised((error,)))
            self._record(ActionEnded(action.action_id, ActionStatus.FAILED, error.description))
        elif not self._state.cancelling:
            self._record(CancelBegun())


def _instant_error(
    header_id: int, description: str, error_type: ErrorType = ErrorType.VALIDATION, action_id: str = ""
) -> VehicleError:
    about = (("topic", "instantActions"), ("headerId", header_id), *((("actionId", action_id),) if action_id else ()))
    return VehicleError(error_type, ErrorLevel.WARNING, references(*about), description)
