"""One vehicle's mission beside its journal: what an input brings about is handed on once its entries are stored."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from agent.clock import Clock
from agent.event_model import EventData
from agent.events import EventDecoder
from agent.fleet.commands import Command
from agent.fleet.journal import MissionJournal
from agent.fleet.mission import Mission, Step
from agent.fleet.mission_state import MissionState
from agent.fleet.vehicle_events import events_of
from agent.fleet.vehicle_state import Facts, VehicleState
from agent.fleet.vehicle_type import VehicleType
from agent.producers import AGENT_PRODUCER

__all__ = ["Decided", "MissionDesk"]


@dataclass(frozen=True, slots=True)
class Decided:
    """What one input brought about, to be done once the journal is `durable` up to `number`."""

    number: int
    at_s: float
    """When it was decided: commands grow old."""
    commands: tuple[Command, ...]
    changed: frozenset[str]
    factsheet_requested: bool
    state: VehicleState

    def after(self, earlier: "Decided") -> "Decided":
        """Both in one: this one brought no entry, so it has no command of its own."""
        assert not self.commands, "a command has its entry"
        return replace(
            self,
            at_s=earlier.at_s,
            commands=earlier.commands,
            changed=earlier.changed | self.changed,
            factsheet_requested=earlier.factsheet_requested or self.factsheet_requested,
        )


class MissionDesk:
    """Restores the mission; `take` gives it an input, `stored` hands out what may be done now, in order."""

    def __init__(
        self, vehicle_id: str, vehicle: VehicleType, journal: MissionJournal, decoder: EventDecoder, clock: Clock
    ) -> None:
        """Reads the journal.

        Raises:
            LogUnreadable: it is damaged.
        """
        self._vehicle_id = vehicle_id
        self._vehicle = vehicle
        self._journal = journal
        self._decoder = decoder
        self._clock = clock
        self._decided: deque[Decided] = deque()
        restored = journal.restore()
        if restored.entries:
            self.mission = Mission.restore(vehicle, restored.entries)
        else:
            self.mission = Mission.new(vehicle, first_command_id=1)
            journal.write([self.mission.snapshot()])

    @property
    def state(self) -> MissionState:
        """Where the mission stands, stored or not."""
        return self.mission.state

    @property
    def boot(self) -> int:
        """The vehicle's when the last entry was written: in another boot, nobody knows what became of its commands."""
        return self._journal.boot

    def begin_boot(self, boot: int) -> None:
        """Entries from here on belong to this boot; the very next input is the `link_up` that settles the last one."""
        self._journal.boot = boot

    def number_above(self, last_command: int, facts: Facts) -> None:
        """The mission's next command id is above every one that the vehicle has seen."""
        if last_command >= self.state.next_command_id:
            self.mission = Mission(self._vehicle, replace(self.state, next_command_id=last_command + 1))
            self._journal.write([self.mission.snapshot()])
            self.take(lambda mission: mission.observe(facts))

    def take(self, act: Callable[[Mission], Step], facts: Callable[[Step], Iterable[EventData]] | None = None) -> Step:
        """Give the mission an input; `facts` are events beside those that its entries mean."""
        before = self.state
        step = act(self.mission)
        happened = [*events_of(self._vehicle_id, before, step.entries), *(facts(step) if facts else ())]
        drafts = [self._decoder.make(fact, AGENT_PRODUCER) for fact in happened]
        number = self._journal.write(step.entries, drafts)
        if self._journal.wants_snapshot:
            self._journal.write([self.mission.snapshot()])
        decided = Decided(
            number,
            self._clock.monotonic_s(),
            step.commands,
            step.changed,
            step.factsheet_requested,
            self.mission.vehicle_state(),
        )
        if self._decided and self._decided[-1].number == number:  # telemetry goes on while the disk takes nothing
            decided = decided.after(self._decided.pop())
        self._decided.append(decided)
        return step

    def stored(self) -> Iterator[Decided]:
        """What is stored and not handed out yet; doing it may decide more."""
        while self._decided and self._decided[0].number <= self._journal.durable:
            yield self._decided.popleft()

    @property
    def waiting(self) -> int:
        """How many inputs wait for the disk."""
        return len(self._decided)
