"""What holds for every course of events: random orders, updates, cancels, pauses, stops, results and crashes."""

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.fleet import (
    Action,
    ActionStatus,
    BlockingType,
    Drive,
    EmergencyStop,
    HeaderCounters,
    Order,
    Outcome,
    Perform,
    Pose,
    ProtocolVersion,
    VehicleIdentity,
    encode_state,
    entry_from_json,
)
from agent.fleet.entries import OrderAccepted, Snapshot, UpdateAccepted
from agent.fleet.transitions import apply
from tests.fleet.abilities import ANY_BLOCKING
from tests.fleet.moments import NOON
from tests.fleet.orders import act, order
from tests.fleet.rig import Rig
from tests.fleet.schemas import SDK, problems

RANK = {
    ActionStatus.WAITING: 0,
    ActionStatus.RUNNING: 1,
    ActionStatus.PAUSED: 1,
    ActionStatus.FINISHED: 2,
    ActionStatus.FAILED: 2,
}
COUNTS = st.integers(1, 4)
BLOCKINGS = st.lists(st.sampled_from(["NONE", "SOFT", "HARD"]), max_size=5)
SAFE = (Outcome.DONE, Outcome.FAILED, Outcome.RUNNING)
UNSTARTED = (Outcome.EXPIRED, Outcome.NEVER_RECEIVED)


class Courses(RuleBasedStateMachine):
    """One vehicle's life; after each event every invariant is looked at."""

    @initialize()
    def begin(self) -> None:
        self.rig = Rig(ANY_BLOCKING)
        self.number = 0
        self.steps_seen = self.rows_seen = 0
        self.issued: set[int] = set()
        self.begun: dict[str, int] = {}
        self.base: set[tuple[str, int]] = set()
        self.statuses: dict[str, ActionStatus] = {}
        self.base_actions: set[str] = set()
        first = self.rig.entries()[0]
        assert isinstance(first, Snapshot)
        self.replayed = first.state
        self.state_seen = self.rig.mission.vehicle_state()

    # --- what may happen ---------------------------------------------------------------------------------

    @rule(count=COUNTS, released=COUNTS, blockings=BLOCKINGS)
    def new_order(self, count: int, released: int, blockings: list[str]) -> None:
        if self.rig.mission.state.idle:
            self.rig.observe(pose=Pose(0.0, 0.0, 0.0, "hall"))
        actions = self.actions(0, count, blockings)
        self.rig.order(order(count, released=min(count, released), actions=actions, order_id=self.fresh("o")))

    @precondition(lambda self: self.rig.mission.state.received)
    @rule(count=COUNTS, released=COUNTS, blockings=BLOCKINGS, older=st.booleans(), astray=st.booleans())
    def update(self, count: int, released: int, blockings: list[str], *, older: bool, astray: bool) -> None:
        state = self.rig.mission.state
        assert state.decision_point
        place = state.decision_point.sequence_id // 2 + astray
        update_id = max(0, state.order_update_id - 1) if older else state.order_update_id + 1
        whole = order(
            count,
            released=min(count, released),
            first=place,
            actions=self.actions(place, count, blockings),
            order_id=state.order_id,
            update_id=update_id,
        )
        self.rig.order(whole)

    @precondition(lambda self: self.rig.mission.state.received)
    @rule()
    def same_order_again(self) -> None:
        received = self.rig.mission.state.received
        assert received
        before = self.rig.mission.state
        self.rig.order(replace(received))
        assert self.rig.mission.state == before

    @rule(action_type=st.sampled_from(["cancelOrder", "startPause", "stopPause", "stateRequest", "dance"]))
    def instant(self, action_type: str) -> None:
        self.rig.instant(act(self.fresh("i"), action_type, "NONE"))

    @precondition(lambda self: self.number)
    @rule(number=st.integers(1, 30))
    def instant_again(self, number: int) -> None:
        self.rig.instant(act(f"i{number % self.number + 1}", "stateRequest", "NONE"))

    @precondition(lambda self: self.rig.open)
    @rule(index=st.integers(0, 5), outcome=st.sampled_from([Outcome.DONE, Outcome.DONE, *Outcome]))
    def result(self, index: int, outcome: Outcome) -> None:
        commands = list(self.rig.open.values())
        command = commands[index % len(commands)]
        if outcome in UNSTARTED and isinstance(command, Perform):
            self.begun[command.action_id] -= 1
        if outcome is Outcome.RUNNING:
            self.rig.take(self.rig.mission.command_result(command.command_id, outcome))
        else:
            self.rig.end(command, outcome)

    @rule(driving=st.booleans())
    def drives(self, *, driving: bool) -> None:
        self.rig.observe(driving=driving)

    @rule(stop=st.sampled_from([EmergencyStop.MANUAL, EmergencyStop.REMOTE]))
    def latch(self, stop: EmergencyStop) -> None:
        self.rig.take(self.rig.mission.latch_stop(stop))

    @rule()
    def release(self) -> None:
        self.rig.take(self.rig.mission.release_stop("a person"))

    @rule()
    def retry(self) -> None:
        self.rig.take(self.rig.mission.retry("a person"))

    @rule(done=st.booleans())
    def resolve_all(self, *, done: bool) -> None:
        for action_id in self.rig.mission.state.actions:
            self.rig.take(self.rig.mission.resolve(action_id, done=done, by="a person"))

    @rule(outcomes=st.lists(st.sampled_from(list(Outcome)), max_size=6), stopped=st.booleans())
    def crash(self, outcomes: list[Outcome], *, stopped: bool) -> None:
        self.rig.crash()
        said = dict(zip(self.rig.mission.state.open_command_ids, outcomes, strict=False))
        for command_id, outcome in said.items():
            command = self.rig.open.get(command_id)
            if isinstance(command, Perform) and outcome in UNSTARTED:
                self.begun[command.action_id] -= 1
            if outcome is not Outcome.RUNNING:
                self.rig.open.pop(command_id, None)
        self.rig.mission.observe(self.rig.facts)
        self.rig.link_up(said, EmergencyStop.MANUAL if stopped else EmergencyStop.NONE)

    # --- what always holds -------------------------------------------------------------------------------

    @invariant()
    def everything_holds(self) -> None:
        self.commands_keep_the_rules()
        self.action_states_only_go_forward()
        self.base_action_states_never_vanish()
        self.the_journal_restores_what_is()
        self.nothing_is_left_undone()
        self.exclusive_actions_are_alone()
        self.the_state_is_always_valid()

    def commands_keep_the_rules(self) -> None:
        """Each command id once; released nodes only; an action again only if it certainly was not begun."""
        for step in self.rig.steps[self.steps_seen :]:
            for entry in step.entries:
                self.note_order(entry)
            for command in step.commands:
                assert command.command_id not in self.issued
                self.issued.add(command.command_id)
                if isinstance(command, Drive):
                    assert (command.node.node_id, command.node.sequence_id) in self.base
                if isinstance(command, Perform):
                    self.begun[command.action_id] = self.begun.get(command.action_id, 0) + 1
                    assert self.begun[command.action_id] == 1
                if isinstance(command, Drive | Perform):
                    assert self.rig.mission.state.stop is EmergencyStop.NONE
        self.steps_seen = len(self.rig.steps)

    def action_states_only_go_forward(self) -> None:
        now = self.rig.statuses()
        for action_id, status in now.items():
            before = self.statuses.get(action_id, ActionStatus.WAITING)
            assert RANK[status] >= RANK[before]
            assert status is before or not before.ended
        self.statuses = now

    def base_action_states_never_vanish(self) -> None:
        assert self.base_actions <= self.rig.statuses().keys()

    def the_journal_restores_what_is(self) -> None:
        for row in self.rig.journal[max(1, self.rows_seen) :]:
            self.replayed = apply(self.replayed, entry_from_json(row))
        self.rows_seen = len(self.rig.journal)
        assert self.replayed == self.rig.mission.state

    def nothing_is_left_undone(self) -> None:
        """A step goes on until only an event can help: another look brings nothing new."""
        assert self.rig.mission.observe(self.rig.facts).entries == ()

    def exclusive_actions_are_alone(self) -> None:
        state = self.rig.mission.state
        begun = [each.blocking for each in state.running if each.command_id and not each.unknown]
        if BlockingType.HARD in begun:
            assert len(begun) == 1
        if state.drive:
            assert set(begun) <= {BlockingType.NONE}

    def the_state_is_always_valid(self) -> None:
        state = self.rig.mission.vehicle_state()
        if SDK and state != self.state_seen:
            version = list(ProtocolVersion)[self.number % 2]
            body = encode_state(HeaderCounters(VehicleIdentity("a", "b", version)), state, NOON)
            assert problems("state", body) == []
        self.state_seen = state

    def teardown(self) -> None:
        """Whatever happened: once people have done their part and the vehicle obeys, the base is driven to its end."""
        if not hasattr(self, "rig"):
            return
        self.rig.link_up(dict.fromkeys(self.rig.mission.state.open_command_ids, Outcome.DONE))
        self.rig.open.clear()
        self.resolve_all(done=True)
        self.release()
        self.retry()
        self.rig.instant(act(self.fresh("i"), "stopPause", "NONE"))
        self.rig.observe(driving=False)
        self.rig.open = {
            command_id: command
            for step in self.rig.steps
            for command in step.commands
            if (command_id := command.command_id) in self.rig.mission.state.open_command_ids
        }
        self.rig.run()
        state = self.rig.mission.state
        assert state.open_command_ids == ()
        assert list(state.open_instants) == []
        assert not any(node.released for node in state.nodes)
        assert all(self.rig.statuses()[action_id].ended for action_id in self.base_actions)

    # --- bookkeeping -------------------------------------------------------------------------------------

    def fresh(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number}"

    def actions(self, first: int, count: int, blockings: list[str]) -> dict[int, tuple[Action, ...]]:
        placed: dict[int, tuple[Action, ...]] = {}
        for index, blocking in enumerate(blockings if count else ()):
            place = first + index % count
            placed[place] = (*placed.get(place, ()), act(self.fresh("a"), blocking=blocking))
        return placed

    def note_order(self, entry: object) -> None:
        if isinstance(entry, OrderAccepted):
            self.base, self.base_actions, self.statuses = set(), set(), {}
        if isinstance(entry, OrderAccepted | UpdateAccepted):
            self.note_base(entry.order)

    def note_base(self, whole: Order) -> None:
        self.base |= {(each.node_id, each.sequence_id) for each in whole.base}
        self.base_actions |= {action.action_id for each in whole.base for action in each.actions}


class TestCourses(Courses.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes the class
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
