"""A mission from order to end: what is driven, done and reported, rule by rule."""

from dataclasses import replace

import pytest

from agent.fleet import (
    Accepted,
    ActionStatus,
    BlockingType,
    Drive,
    EmergencyStop,
    ErrorType,
    Facts,
    Ignored,
    Load,
    MessageRefused,
    Mission,
    OperatingMode,
    Outcome,
    Perform,
    Pose,
    VehicleType,
    decode_order,
)
from agent.fleet.mission import EXPIRIES_MAX
from tests.fleet.abilities import ANY_BLOCKING
from tests.fleet.orders import TYPE, VEHICLE, act, order, with_edge, with_node
from tests.fleet.rig import Rig, ids

WAITING, RUNNING, FINISHED, FAILED = (
    ActionStatus.WAITING,
    ActionStatus.RUNNING,
    ActionStatus.FINISHED,
    ActionStatus.FAILED,
)


def rig(vehicle: VehicleType = TYPE) -> Rig:
    return Rig(vehicle)


def sequence_ids(these: Rig) -> list[int]:
    state = these.mission.vehicle_state()
    return sorted([*(node.sequence_id for node in state.nodes), *(edge.sequence_id for edge in state.edges)])


# --- driving ----------------------------------------------------------------------------------------------


def test_an_order_is_driven_node_by_node_to_its_end() -> None:
    it = rig()
    step = it.order(order(3))
    assert step.verdict == Accepted(is_update=False)
    assert (it.drive.node.node_id, it.drive.x, it.drive.theta) == ("n1", 2.0, None)
    it.end(it.drive)
    assert it.drive.node.node_id == "n2"
    it.end(it.drive)
    assert it.open == {}
    assert it.mission.state.idle


def test_rule_17_the_start_node_is_passed_with_the_order() -> None:
    it = rig()
    it.order(order(2))
    state = it.mission.vehicle_state()
    assert (state.last_node_id, state.last_node_sequence_id) == ("n0", 0)
    assert sequence_ids(it) == [1, 2]


def test_rule_27_unreleased_nodes_are_never_driven_to() -> None:
    it = rig()
    it.order(order(4, released=2))
    it.run()
    assert it.mission.vehicle_state().last_node_id == "n1"
    assert sequence_ids(it) == [3, 4, 5, 6]
    assert not it.mission.state.idle


def test_rule_27_an_order_of_one_node_drives_nowhere() -> None:
    it = rig()
    assert it.order(order(1)).commands == ()
    assert it.mission.state.idle


def test_rule_31_a_passed_node_leaves_with_the_edge_before_it() -> None:
    it = rig()
    it.order(order(3))
    step = it.end(it.drive)
    state = it.mission.vehicle_state()
    assert (state.last_node_id, state.last_node_sequence_id) == ("n1", 2)
    assert sequence_ids(it) == [3, 4]
    assert {"last_node_id", "nodes", "edges"} <= step.changed


def test_a_loop_passes_the_same_node_twice() -> None:
    it = rig()
    whole = order(3)
    whole = replace(whole, nodes=(*whole.nodes[:2], replace(whole.nodes[2], node_id="n0")))
    it.order(with_edge(whole, 1, end_node_id="n0"))
    it.run()
    assert (it.mission.vehicle_state().last_node_id, it.mission.vehicle_state().last_node_sequence_id) == ("n0", 4)


@pytest.mark.parametrize(("limit", "driven"), [(None, 1.0), (0.3, 0.3), (5.0, 1.0)])
def test_no_edge_is_driven_faster_than_it_allows_nor_than_the_vehicle_can(limit: float | None, driven: float) -> None:
    it = rig()
    it.order(with_edge(order(2), 0, max_speed=limit))
    assert it.drive.speed_max == driven


def test_rule_51_a_new_base_is_requested_before_the_decision_point() -> None:
    it = rig()
    it.order(order(5, released=3))
    asked = [it.mission.vehicle_state().new_base_request]
    it.end(it.drive)
    asked.append(it.mission.vehicle_state().new_base_request)
    it.end(it.drive)
    asked.append(it.mission.vehicle_state().new_base_request)
    assert asked == [False, True, True]


def test_rule_51_without_a_horizon_no_base_is_requested() -> None:
    it = rig()
    it.order(order(2))
    assert not it.mission.vehicle_state().new_base_request


# --- orders and updates -----------------------------------------------------------------------------------


def test_rule_18_the_old_order_keeps_running_when_another_is_rejected() -> None:
    it = rig()
    it.order(order(3))
    step = it.order(order(1, order_id="o2"))
    assert ids(step.entries) == ["errors_raised"]
    assert it.mission.vehicle_state().order_id == "o1"
    it.run()
    assert it.mission.vehicle_state().last_node_id == "n2"


def test_rule_28_a_rejected_order_changes_nothing_but_the_errors() -> None:
    it = rig()
    it.order(order(3, released=2))
    before = it.mission.state
    step = it.order(order(2, first=0, update_id=4))
    assert replace(it.mission.state, errors=()) == before
    assert {"errors", "order"} == step.changed
    assert step.commands == ()


def test_rule_30_a_rejection_stays_until_a_new_order_is_accepted() -> None:
    it = rig()
    it.order(order(2, released=1))
    it.order(order(2, first=3, update_id=1))
    assert it.error_types() == ["orderUpdateError"]
    it.order(order(2, update_id=2))
    assert it.error_types() == ["orderUpdateError"]
    it.run()
    it.observe(pose=Pose(0.0, 0.0, 0.0, "hall"))
    it.order(order(1, order_id="o2"))
    assert it.error_types() == []


def test_the_same_rejection_twice_is_one_error() -> None:
    it = rig()
    it.order(order(2, released=1))
    it.order(order(2, first=3, update_id=1))
    it.order(order(2, first=3, update_id=1))
    assert it.error_types() == ["orderUpdateError"]


def test_rejections_without_end_do_not_fill_the_state() -> None:
    it = rig()
    it.order(order(2, released=1))
    for header_id in range(200):
        it.order(order(2, first=3, update_id=1), header_id)
    assert len(it.error_types()) == 50
    assert it.mission.state.errors[-1].refers_to("headerId", "199")


def test_a_message_that_could_not_be_read_is_reported_until_a_new_order() -> None:
    it = rig()
    with pytest.raises(MessageRefused) as caught:
        decode_order(b"{", VEHICLE, bytes_max=100)
    step = it.take(it.mission.refuse(caught.value.error))
    assert step.changed == {"errors"}
    assert it.error_types() == [ErrorType.VALIDATION]
    it.order(order(1))
    assert it.error_types() == []


def test_rule_21_a_repeated_order_is_answered_with_a_state_and_nothing_else() -> None:
    it = rig()
    it.order(order(3))
    step = it.order(order(3))
    assert isinstance(step.verdict, Ignored)
    assert (step.entries, step.commands, step.changed) == ((), (), frozenset({"order"}))


def test_rule_23_an_update_prolongs_the_base_without_a_stop_between() -> None:
    it = rig()
    it.order(order(4, released=2))
    it.order(order(2, first=1, update_id=1))
    assert sequence_ids(it) == [1, 2, 3, 4]
    assert it.mission.vehicle_state().order_update_id == 1
    it.run()
    assert it.mission.vehicle_state().last_node_id == "n2"
    assert it.mission.state.idle


def test_rule_24_an_update_goes_on_with_a_completed_order() -> None:
    it = rig()
    it.order(order(2))
    it.run()
    it.order(order(3, first=1, update_id=1))
    it.run()
    assert it.mission.vehicle_state().last_node_sequence_id == 6


def test_rule_25_the_stitch_nodes_actions_are_done_once() -> None:
    it = rig()
    it.order(order(2, actions={1: (act("a1"),)}))
    it.run()
    it.order(order(2, first=1, update_id=1, actions={1: (act("a1"),)}))
    it.run()
    assert it.physical == {"a1": 1}


def test_rule_25_an_action_that_is_new_at_the_stitch_node_is_told_and_done() -> None:
    """Its vehicle stands there already, at the end of its base."""
    it = rig()
    it.order(order(3, released=2, actions={1: (act("a1"),), 2: (act("a2", "drop"),)}))
    it.run()
    it.order(order(2, first=1, update_id=1, actions={1: (act("a1"), act("a9")), 2: (act("b2", "drop"),)}))
    assert it.statuses() == {"a1": FINISHED, "a9": RUNNING, "b2": WAITING}
    it.run()
    assert it.statuses() == {"a1": FINISHED, "a9": FINISHED, "b2": FINISHED}
    assert it.physical == {"a1": 1, "a9": 1, "b2": 1}
    assert it.mission.state.idle


def test_rule_25_a_new_action_of_a_stitch_node_ahead_waits_for_its_node() -> None:
    it = rig()
    it.order(order(3, released=2, actions={0: (act("a0"),), 1: (act("a1"),)}))
    it.order(order(2, first=1, update_id=1, actions={1: (act("a9"), act("a1"))}))
    assert it.statuses() == {"a0": RUNNING, "a1": WAITING, "a9": WAITING}
    it.run()
    assert it.physical == {"a0": 1, "a1": 1, "a9": 1}


def test_rule_25_an_order_of_one_node_can_be_given_another_action() -> None:
    it = rig()
    it.order(order(1, actions={0: (act("a1"),)}))
    it.run()
    it.order(order(1, update_id=1, actions={0: (act("a1"), act("a2", "drop"))}))
    it.run()
    assert it.physical == {"a1": 1, "a2": 1}


def test_rule_26_an_update_drops_the_horizons_actions_and_keeps_the_bases() -> None:
    it = rig()
    it.order(order(4, released=2, actions={0: (act("a0"),), 1: (act("a1"),), 2: (act("a2"),), 3: (act("a3"),)}))
    assert list(it.statuses()) == ["a0", "a1", "a2", "a3"]
    it.order(order(2, first=1, update_id=1, actions={2: (act("b2"),)}))
    assert list(it.statuses()) == ["a0", "a1", "b2"]


def test_rule_26_an_update_can_delete_the_horizon() -> None:
    it = rig()
    it.order(order(4, released=2))
    it.order(order(1, first=1, update_id=1))
    it.run()
    assert it.mission.state.idle


def test_a_new_order_forgets_the_action_states_of_the_old() -> None:
    it = rig()
    it.order(order(1, actions={0: (act("a1"),)}))
    it.run()
    it.order(order(1, order_id="o2"))
    assert it.statuses() == {}


def test_rule_49_an_error_never_clears_the_order() -> None:
    it = rig()
    it.order(order(3))
    it.end(it.drive, Outcome.FAILED, "obstacle")
    assert it.mission.vehicle_state().order_id == "o1"
    assert sequence_ids(it) == [1, 2, 3, 4]


# --- actions ----------------------------------------------------------------------------------------------


def test_rule_32_a_nodes_actions_begin_when_it_is_passed() -> None:
    it = rig()
    it.order(order(2, actions={1: (act("a1"),)}))
    assert it.statuses() == {"a1": WAITING}
    it.end(it.drive)
    assert it.statuses() == {"a1": RUNNING}
    assert it.performing == ["a1"]
    it.end(it.now_open, reason="weighed 3 kg")
    assert it.mission.vehicle_state().action_states[0].result == "weighed 3 kg"
    assert it.mission.state.idle


def test_an_action_is_commanded_with_its_parameters() -> None:
    it = rig()
    it.order(order(1, actions={0: (act("a1", stationType="floor"),)}))
    command = it.now_open
    assert isinstance(command, Perform)
    assert (command.action_type, command.parameters[0].value) == ("pick", "floor")


def test_rule_33_the_next_edge_is_entered_when_the_blocking_action_has_ended() -> None:
    it = rig()
    it.order(order(2, actions={0: (act("a1", blocking="SOFT"),)}))
    assert it.performing == ["a1"]
    it.end(it.now_open)
    assert it.drive.node.node_id == "n1"


def test_rule_34_a_hard_action_is_alone() -> None:
    it = rig(ANY_BLOCKING)
    it.order(order(2, actions={0: (act("a", blocking="SOFT"), act("b"), act("c", blocking="NONE"))}))
    assert it.performing == ["a"]
    it.end(it.now_open)
    assert it.performing == ["b"]
    it.end(it.now_open)
    assert it.performing == ["c"]
    assert len(it.open) == 2  # and it drives on beside c


def test_rule_34_soft_actions_run_side_by_side_standing() -> None:
    it = rig(ANY_BLOCKING)
    it.order(order(2, actions={0: (act("a", blocking="SOFT"), act("b", blocking="NONE"), act("c", blocking="SOFT"))}))
    assert it.performing == ["a", "b", "c"]
    assert len(it.open) == 3


def test_rule_34_none_actions_run_while_driving() -> None:
    it = rig(ANY_BLOCKING)
    it.order(order(2, actions={0: (act("a", blocking="NONE"),)}))
    assert it.performing == ["a"]
    assert [command for command in it.open.values() if isinstance(command, Drive)]


def test_rule_34_an_action_of_the_last_node_delays_a_hard_one_of_the_next() -> None:
    it = rig(ANY_BLOCKING)
    it.order(order(2, actions={0: (act("a", blocking="NONE"),), 1: (act("b"),)}))
    action, drive = it.open.values()
    it.end(drive)
    assert it.performing == ["a"]
    it.end(action)
    assert it.performing == ["b"]


def test_no_more_actions_are_begun_at_once_than_a_vehicle_takes() -> None:
    it = rig(ANY_BLOCKING)
    actions = tuple(act(f"a{number}", blocking="SOFT") for number in range(10))
    it.order(order(2, actions={0: actions}))
    assert len(it.performing) == 8
    it.end(next(iter(it.open.values())))
    assert it.performing[-1] == "a8"


@pytest.mark.parametrize("blocking", [BlockingType.SOFT, BlockingType.HARD])
def test_rule_34_a_blocking_action_waits_for_standstill(blocking: BlockingType) -> None:
    it = rig()
    it.observe(driving=True)
    it.order(order(1, actions={0: (act("a", blocking=blocking),)}))
    assert it.open == {}
    it.observe(driving=False)
    assert it.performing == ["a"]


def test_rule_35_the_order_of_the_array_is_the_order_of_doing() -> None:
    it = rig(ANY_BLOCKING)
    it.order(order(1, actions={0: (act("a"), act("b", blocking="NONE"), act("c"))}))
    done = []
    while it.open:
        done += it.performing
        it.end(it.now_open)
    assert done == ["a", "b", "c"]


def test_rule_36_a_failed_action_stays_failed_and_is_an_error() -> None:
    it = rig()
    it.order(order(2, actions={0: (act("a1"),)}))
    it.end(it.now_open, Outcome.FAILED, "no load")
    assert it.statuses() == {"a1": FAILED}
    (error,) = it.mission.state.errors
    assert error.refers_to("actionId", "a1")
    assert error.description == "pick failed: no load"
    assert not error.refers_to("orderId", "o1")  # which would read as the order's rejection


def test_the_order_goes_on_after_a_failed_action() -> None:
    """The standard knows no failed order: fleet control decides whether to cancel it."""
    it = rig()
    it.order(order(2, actions={0: (act("a1"),)}))
    it.end(it.now_open, Outcome.FAILED)
    assert it.drive.node.node_id == "n1"


def test_rule_37_actions_of_the_horizon_wait() -> None:
    it = rig()
    it.order(order(3, released=1, actions={1: (act("a1"),), 2: (act("a2"),)}))
    it.run()
    assert it.statuses() == {"a1": WAITING, "a2": WAITING}
    assert it.physical == {}


# --- commands that come to nothing ------------------------------------------------------------------------


def test_a_command_that_came_too_late_is_said_again_under_a_new_id() -> None:
    it = rig()
    it.order(order(1, actions={0: (act("a1"),)}))
    first = it.now_open
    it.end(first, Outcome.EXPIRED)
    assert it.performing == ["a1"]
    assert it.now_open.command_id != first.command_id


def test_an_action_whose_commands_always_come_too_late_fails() -> None:
    it = rig()
    it.order(order(1, actions={0: (act("a1"),)}))
    for _ in range(EXPIRIES_MAX):
        it.end(it.now_open, Outcome.EXPIRED)
    assert it.open == {}
    assert it.statuses() == {"a1": FAILED}


def test_a_drive_that_fails_holds_the_mission_until_a_person_lets_it_retry() -> None:
    it = rig()
    it.order(order(2))
    it.end(it.drive, Outcome.FAILED, "obstacle")
    assert it.open == {}
    assert it.error_types() == [ErrorType.DRIVE_FAILED]
    it.take(it.mission.retry("Ada"))
    assert it.error_types() == []
    it.run()
    assert it.mission.state.idle


def test_a_drive_whose_commands_always_come_too_late_is_held() -> None:
    it = rig()
    it.order(order(2))
    for _ in range(EXPIRIES_MAX):
        it.end(it.drive, Outcome.EXPIRED)
    assert it.open == {}
    assert it.error_types() == [ErrorType.DRIVE_FAILED]


def test_a_result_that_nobody_waits_for_changes_nothing() -> None:
    it = rig()
    it.order(order(2))
    before = it.mission.state
    assert it.mission.command_result(99, Outcome.DONE).entries == ()
    assert it.mission.state == before


def test_a_command_that_still_runs_changes_nothing() -> None:
    it = rig()
    it.order(order(2))
    assert it.mission.command_result(it.drive.command_id, Outcome.RUNNING).entries == ()


def test_command_ids_wrap_and_leave_out_zero() -> None:
    mission = Mission.new(TYPE, first_command_id=2**32 - 1)
    assert mission.state.next_command_id == 2**32 - 1
    it = rig()
    it.mission = mission
    it.link_up()
    it.observe()
    it.order(order(3))
    assert it.drive.command_id == 2**32 - 1
    it.end(it.drive)
    assert it.drive.command_id == 1


# --- telemetry --------------------------------------------------------------------------------------------


def test_rule_11_what_fleet_control_must_hear_of_is_named() -> None:
    it = rig()
    assert it.observe(driving=True).changed == {"driving"}
    assert it.observe(mode=OperatingMode.SEMIAUTOMATIC).changed == {"mode"}
    assert it.observe(field_violation=True).changed == {"field_violation"}
    assert it.observe(loads=()).changed == {"loads"}
    assert it.observe(battery=replace(it.facts.battery, charging=True)).changed == {"battery"}


def picked() -> Rig:
    """At the second of three nodes, its pick under way, telemetry up to date."""
    it = rig()
    it.observe(loads=())
    it.order(order(3, actions={1: (act("a1", loadId="crate-7"),), 2: (act("a2", "drop"),)}))
    it.end(it.drive)
    return it


def test_a_vehicle_is_driving_from_its_command_to_the_result_whatever_telemetry_says_meanwhile() -> None:
    it = rig()
    step = it.order(order(3))
    assert "driving" in step.changed
    for driving in (False, True, False):  # turning in place, or between two pieces of the way
        assert "driving" not in it.observe(driving=driving).changed
        assert it.mission.vehicle_state().facts.driving
    it.observe(driving=True)
    it.end(it.drive)
    assert it.mission.vehicle_state().facts.driving  # on to the next node
    step = it.end(it.drive)
    assert "driving" in step.changed
    state = it.mission.vehicle_state()
    assert (state.nodes, state.facts.driving) == ((), False)


def test_one_report_may_be_older_than_the_result_the_next_one_is_believed() -> None:
    it = rig()
    it.order(order(2))
    it.facts = replace(it.facts, driving=True)
    it.take(it.mission.command_result(it.drive.command_id, Outcome.DONE))
    assert not it.mission.vehicle_state().facts.driving
    assert it.observe(driving=True).changed == set()
    assert it.observe(driving=True).changed == {"driving"}


def test_loads_follow_a_finished_pick_and_drop_at_once() -> None:
    it = picked()
    step = it.end(it.now_open)
    assert {"action_states", "loads"} <= step.changed
    assert it.mission.vehicle_state().facts.loads == (Load("crate-7"),)
    assert "loads" not in it.observe(loads=(Load("crate-7"),)).changed
    it.end(it.drive)
    step = it.end(it.now_open)
    assert {"action_states", "loads"} <= step.changed
    assert it.mission.vehicle_state().facts.loads == ()


def test_a_failed_pick_brings_no_load_and_of_unknown_loads_nothing_is_said() -> None:
    it = picked()
    it.end(it.now_open, Outcome.FAILED)
    assert it.mission.vehicle_state().facts.loads == ()
    other = rig()
    other.order(order(1, actions={0: (act("a1"),)}))
    other.run()
    assert other.mission.vehicle_state().facts.loads is None


@pytest.mark.parametrize("halt", ["startPause", "cancelOrder", "stop"])
def test_a_vehicle_that_is_halted_drives_until_telemetry_says_that_it_stands(halt: str) -> None:
    it = rig()
    it.order(order(3))
    it.observe(driving=True)
    if halt == "stop":
        it.take(it.mission.latch_stop(EmergencyStop.REMOTE))
    else:
        it.instant(act("i1", halt, "NONE"))
    assert it.mission.vehicle_state().facts.driving
    it.observe(driving=False)
    assert not it.mission.vehicle_state().facts.driving


def test_rule_50_out_of_reach_it_is_said_to_stand_although_its_last_word_was_that_it_drives() -> None:
    it = rig()
    it.order(order(3))
    it.observe(driving=True)
    step = it.take(it.mission.link_lost())
    assert {"driving", "errors", "emergency_stop"} <= step.changed
    assert not it.mission.vehicle_state().facts.driving


def test_rule_12_movement_and_a_sinking_charge_are_no_events() -> None:
    it = rig()
    assert it.observe(pose=Pose(1.0, 1.0, 0.0, "hall"), battery=replace(it.facts.battery, charge=5.0)).changed == set()


def test_rule_47_leaving_automatic_mode_clears_the_order() -> None:
    it = rig()
    it.order(order(3, actions={2: (act("a1"),)}))
    it.observe(mode=OperatingMode.MANUAL)
    it.end(next(command for command in it.open.values() if not isinstance(command, Drive)))
    state = it.mission.vehicle_state()
    assert (state.nodes, state.edges, state.order_id) == ((), (), "o1")
    assert it.statuses() == {"a1": FAILED}
    assert it.mission.state.cancelled


@pytest.mark.parametrize("mode", [OperatingMode.SERVICE, OperatingMode.TEACHIN])
def test_rule_47_service_and_teaching_empty_the_last_node_as_well(mode: OperatingMode) -> None:
    it = rig()
    it.order(order(3, actions={2: (act("a1"),)}))
    it.end(it.drive)
    it.observe(mode=mode)
    assert it.mission.vehicle_state().last_node_id == "n1"  # until its drive has come to rest
    it.end(next(command for command in it.open.values() if not isinstance(command, Drive)))
    state = it.mission.vehicle_state()
    assert (state.last_node_id, state.last_node_sequence_id) == ("", 0)
    assert (state.nodes, state.edges, state.order_id, state.order_update_id) == ((), (), "o1", 0)
    assert it.statuses() == {"a1": FAILED}


def test_rule_47_serviced_when_its_order_was_done_it_continues_that_no_more() -> None:
    it = rig()
    it.order(order(2))
    it.run()
    step = it.observe(mode=OperatingMode.SERVICE)
    assert {"last_node_id", "mode"} <= step.changed
    it.crash()
    it.link_up()
    it.observe(mode=OperatingMode.AUTOMATIC, pose=Pose(0.0, 0.0, 0.0, "hall"))
    it.order(order(2, first=1, update_id=1))
    assert it.error_types() == [ErrorType.ORDER_UPDATE]
    it.order(with_node(order(2, order_id="o2"), 0, node_position=None))
    assert it.mission.vehicle_state().order_id == "o1"
    it.order(order(2, order_id="o3"))
    assert (it.mission.vehicle_state().order_id, it.mission.vehicle_state().last_node_id) == ("o3", "n0")


def test_rule_47_driven_by_hand_it_keeps_its_last_node() -> None:
    it = rig()
    it.order(order(2))
    it.run()
    it.observe(mode=OperatingMode.MANUAL)
    assert it.mission.vehicle_state().last_node_id == "n1"


def test_a_new_mission_says_that_it_has_no_vehicle_yet() -> None:
    mission = Mission.new(TYPE, first_command_id=1)
    state = mission.vehicle_state()
    assert (state.order_id, state.last_node_id, state.facts) == ("", "", Facts())
    assert not mission.linked
    assert [error.error_type for error in state.errors] == [ErrorType.LINK_LOST]
    assert state.emergency_stop is EmergencyStop.REMOTE  # it boots latched, and nobody has heard that it was released
