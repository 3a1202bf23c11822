"""A mission with a journal and a vehicle model beside it, for tests: commands run until the test lets them end."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from agent.fleet import (
    Action,
    ActionStatus,
    Command,
    Control,
    ControlMotion,
    Drive,
    EmergencyStop,
    Entry,
    Facts,
    LinkReport,
    Mission,
    Order,
    Outcome,
    Perform,
    Pose,
    Step,
    VehicleType,
    entry_from_json,
    entry_to_json,
)
from tests.fleet.orders import AT_START, TYPE


@dataclass
class Rig:
    """`open` are the commands the vehicle is at; `physical` counts what it really did, by action id."""

    vehicle: VehicleType = TYPE
    facts: Facts = AT_START
    journal: list[bytes] = field(default_factory=list)
    open: dict[int, Command] = field(default_factory=dict)
    physical: dict[str, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mission = Mission.new(self.vehicle, first_command_id=1)
        self.journal.append(entry_to_json(self.mission.snapshot()))
        self.take(self.mission.link_up(LinkReport()))
        self.take(self.mission.observe(self.facts))

    def take(self, step: Step) -> Step:
        """Journal and obey a step."""
        self.steps.append(step)
        self.journal += map(entry_to_json, step.entries)
        for command in step.commands:
            self.open[command.command_id] = command
            if isinstance(command, Perform):
                self.physical[command.action_id] = self.physical.get(command.action_id, 0) + 1
        return step

    def order(self, order: Order, header_id: int = 1) -> Step:
        return self.take(self.mission.receive_order(order, header_id))

    def instant(self, *actions: Action) -> Step:
        return self.take(self.mission.receive_instant_actions(actions, 1))

    def observe(self, **changes: object) -> Step:
        self.facts = replace(self.facts, **changes)  # type: ignore[arg-type]  # keywords of one dataclass
        return self.take(self.mission.observe(self.facts))

    def end(self, command: Command, outcome: Outcome = Outcome.DONE, reason: str = "") -> Step:
        """The vehicle answers a command."""
        del self.open[command.command_id]
        if isinstance(command, Drive) and outcome is Outcome.DONE:
            self.facts = replace(self.facts, pose=Pose(command.x, command.y, 0.0, "hall"))
            self.take(self.mission.observe(self.facts))
        if isinstance(command, ControlMotion) and command.control is Control.CANCEL:
            self.open = {key: each for key, each in self.open.items() if not isinstance(each, Drive)}
        return self.take(self.mission.command_result(command.command_id, outcome, reason))

    def run(self) -> None:
        """Everything succeeds until nothing is left to do."""
        while self.open:
            self.end(next(iter(self.open.values())))

    def crash(self) -> None:
        """Kill -9: all that is left is the journal."""
        self.mission = Mission.restore(self.vehicle, self.entries())

    def entries(self) -> list[Entry]:
        return [entry_from_json(row) for row in self.journal]

    def link_up(self, outcomes: dict[int, Outcome] | None = None, stop: EmergencyStop = EmergencyStop.NONE) -> Step:
        return self.take(self.mission.link_up(LinkReport(outcomes or {}, stop)))

    @property
    def now_open(self) -> Command:
        """The one command that the vehicle is at."""
        (command,) = self.open.values()
        return command

    @property
    def drive(self) -> Drive:
        command = self.now_open
        assert isinstance(command, Drive)
        return command

    @property
    def performing(self) -> list[str]:
        return [command.action_id for command in self.open.values() if isinstance(command, Perform)]

    @property
    def controls(self) -> list[Control]:
        return [command.control for command in self.open.values() if isinstance(command, ControlMotion)]

    def statuses(self) -> dict[str, ActionStatus]:
        return {each.action_id: each.status for each in self.mission.vehicle_state().action_states}

    def error_types(self) -> list[str]:
        return [error.error_type.value for error in self.mission.vehicle_state().errors]


def ids(entries: Iterable[Entry]) -> list[str]:
    """The kinds of entries, in order."""
    return [entry.kind for entry in entries]
