"""Pause, cancel and requests: what fleet control may ask at any time."""

import pytest

from agent.fleet import ActionStatus, Control, Drive, ErrorLevel, ErrorType, NodePosition, Outcome, Perform, Pose
from tests.fleet.orders import act, order, with_node
from tests.fleet.rig import Rig, ids

WAITING, RUNNING, PAUSED = ActionStatus.WAITING, ActionStatus.RUNNING, ActionStatus.PAUSED
FINISHED, FAILED = ActionStatus.FINISHED, ActionStatus.FAILED
START = act("p1", "startPause", "NONE")
STOP = act("p2", "stopPause", "NONE")
CANCEL = act("c1", "cancelOrder", "NONE")


def driving() -> Rig:
    """A vehicle on its way to the second of four nodes; a drop waits at the third."""
    rig = Rig()
    rig.order(order(4, released=3, actions={2: (act("a1", "drop"),), 3: (act("a2"),)}))
    rig.observe(driving=True)
    return rig


def end_control(rig: Rig, control: Control, outcome: Outcome = Outcome.DONE) -> None:
    command = next(each for each in rig.open.values() if getattr(each, "control", None) is control)
    rig.end(command, outcome)


# --- requests ---------------------------------------------------------------------------------------------


def test_rule_46_a_state_request_is_answered_by_a_state() -> None:
    rig = Rig()
    step = rig.instant(act("i1", "stateRequest", "NONE"))
    assert "stateRequest" in step.changed
    assert rig.statuses() == {"i1": FINISHED}


def test_rule_9_a_factsheet_request_is_answered_by_a_factsheet() -> None:
    rig = Rig()
    assert rig.instant(act("i1", "factsheetRequest", "NONE")).factsheet_requested
    assert rig.statuses() == {"i1": FINISHED}


def test_rule_38_instant_actions_are_reported_among_the_action_states() -> None:
    rig = driving()
    rig.instant(act("i1", "stateRequest", "NONE"))
    assert list(rig.statuses()) == ["a1", "a2", "i1"]


@pytest.mark.parametrize("action", [act("i1", "pick"), act("i1", "dance"), act("i1", "stateRequest", "NONE", depth=1)])
def test_rule_40_an_unsupported_instant_action_fails(action: object) -> None:
    rig = driving()
    rig.instant(action)  # type: ignore[arg-type]  # an Action, from the list above
    assert rig.statuses()["i1"] is FAILED
    assert rig.mission.vehicle_state().action_states[-1].result
    assert rig.performing == []
    (error,) = rig.mission.state.errors
    assert (error.error_type, error.level) == (ErrorType.INSTANT_ACTION, ErrorLevel.WARNING)
    assert error.refers_to("actionId", "i1")
    assert error.refers_to("topic", "instantActions")


def test_rule_40_the_error_of_an_unsupported_instant_action_stays_until_another_one_is_taken() -> None:
    rig = Rig()
    rig.instant(act("i0", "stateRequest", "NONE"), act("i1", "dance"), act("i2", "stateRequest", "NONE"))
    rig.instant(act("i3", "sing"), act("i1", "dance"))
    rig.crash()
    rig.link_up()
    assert rig.error_types() == [ErrorType.INSTANT_ACTION] * 2
    rig.instant(act("i4", "stateRequest", "NONE"))
    assert rig.error_types() == []


def test_too_many_instant_actions_at_once_are_refused_whole() -> None:
    rig = Rig()
    rig.instant(*(act(f"i{number}", "stateRequest", "NONE") for number in range(11)))
    assert rig.statuses() == {}
    assert rig.error_types() == [ErrorType.VALIDATION]


# --- once only --------------------------------------------------------------------------------------------


def test_rule_39_an_instant_action_is_done_once_however_often_it_comes() -> None:
    rig = driving()
    rig.instant(START)
    step = rig.instant(START, START)
    assert step.entries == ()
    assert rig.controls == [Control.PAUSE]


def test_rule_39_also_across_a_restart() -> None:
    rig = driving()
    rig.instant(CANCEL)
    end_control(rig, Control.CANCEL)
    rig.observe(driving=False)
    rig.crash()
    rig.link_up()
    step = rig.instant(CANCEL)
    assert (step.entries, step.commands) == ((), ())
    assert rig.statuses()["c1"] is FINISHED


def test_rule_39_a_cancel_of_the_past_is_reported_again_and_cancels_nothing() -> None:
    """A vehicle that had forgotten a cancelled action id left its fleet control waiting for ever."""
    rig = driving()
    rig.instant(CANCEL)
    end_control(rig, Control.CANCEL)
    rig.observe(driving=False, pose=Pose(0.0, 0.0, 0.0, "hall"))
    rig.order(order(2, order_id="o2"))
    assert "c1" not in rig.statuses()
    rig.crash()
    rig.link_up({rig.drive.command_id: Outcome.RUNNING})
    step = rig.instant(CANCEL)
    assert ids(step.entries) == ["instant_repeated"]
    assert "action_states" in step.changed
    assert rig.statuses() == {"c1": FINISHED}
    assert rig.drive.node.node_id == "n1"


def test_ended_instant_actions_do_not_fill_the_state_and_are_remembered() -> None:
    rig = Rig()
    for number in range(300):
        rig.instant(act(f"i{number}", "stateRequest", "NONE"))
    assert len(rig.statuses()) == 50
    assert rig.statuses()["i299"] is FINISHED
    assert ids(rig.instant(act("i7", "stateRequest", "NONE")).entries) == ["instant_repeated"]


# --- pause ------------------------------------------------------------------------------------------------


def test_rule_45_a_pause_is_finished_at_standstill() -> None:
    rig = driving()
    rig.instant(START)
    assert rig.statuses()["p1"] is RUNNING
    end_control(rig, Control.PAUSE)
    assert rig.mission.vehicle_state().paused
    assert rig.statuses()["p1"] is RUNNING
    step = rig.observe(driving=False)
    assert rig.statuses()["p1"] is FINISHED
    assert "action_states" in step.changed


def test_rule_45_a_pause_keeps_the_order_and_begins_nothing() -> None:
    rig = driving()
    rig.instant(START)
    end_control(rig, Control.PAUSE)
    rig.observe(driving=False)
    rig.end(rig.drive)  # it had arrived just then
    assert rig.open == {}
    assert len(rig.mission.vehicle_state().nodes) == 2


def test_rule_45_stop_pause_goes_on() -> None:
    rig = driving()
    rig.instant(START)
    end_control(rig, Control.PAUSE)
    rig.observe(driving=False)
    rig.instant(STOP)
    assert rig.controls == [Control.RESUME]
    end_control(rig, Control.RESUME)
    assert rig.statuses()["p2"] is FINISHED
    assert not rig.mission.vehicle_state().paused
    rig.run()
    assert rig.statuses()["a1"] is FINISHED


@pytest.mark.parametrize("action", [START, STOP])
def test_pausing_is_idempotent(action: object) -> None:
    rig = Rig()
    rig.instant(act("first", getattr(action, "action_type"), "NONE"))  # noqa: B009 - an Action, from the list above
    rig.run()
    step = rig.instant(action)  # type: ignore[arg-type]  # an Action
    assert step.commands == ()
    assert set(rig.statuses().values()) == {FINISHED}


def test_a_pause_that_is_overtaken_fails() -> None:
    rig = driving()
    rig.instant(START)
    rig.instant(STOP)
    assert rig.statuses()["p1"] is FAILED
    end_control(rig, Control.PAUSE)
    end_control(rig, Control.RESUME)
    assert rig.statuses()["p2"] is FINISHED


def test_a_pause_that_the_vehicle_refuses_fails_and_the_order_goes_on() -> None:
    rig = driving()
    rig.instant(START)
    end_control(rig, Control.PAUSE, Outcome.FAILED)
    assert rig.statuses()["p1"] is FAILED
    assert not rig.mission.vehicle_state().paused
    rig.observe(driving=False)
    rig.run()
    assert rig.statuses()["a1"] is FINISHED


def test_a_running_action_is_paused_with_the_vehicle_and_runs_again_after_it() -> None:
    rig = Rig()
    rig.order(order(2, actions={0: (act("a1"), act("a2", "drop"))}))
    rig.instant(START)
    assert rig.statuses() == {"a1": RUNNING, "a2": WAITING, "p1": RUNNING}
    end_control(rig, Control.PAUSE)
    assert rig.statuses() == {"a1": PAUSED, "a2": WAITING, "p1": FINISHED}
    rig.crash()
    rig.link_up(dict.fromkeys(rig.open, Outcome.RUNNING))
    assert rig.statuses()["a1"] is PAUSED
    rig.instant(STOP)
    assert rig.statuses()["a1"] is PAUSED
    step = rig.end(next(each for each in rig.open.values() if not isinstance(each, Perform)))
    assert "action_states" in step.changed
    assert rig.statuses()["a1"] is RUNNING
    rig.run()
    assert rig.physical == {"a1": 1, "a2": 1}


def test_an_action_that_was_past_its_instant_ends_in_a_pause() -> None:
    rig = Rig()
    rig.order(order(2, actions={0: (act("a1"),)}))
    rig.instant(START)
    end_control(rig, Control.PAUSE)
    rig.end(rig.now_open)
    assert rig.statuses() == {"a1": FINISHED, "p1": FINISHED}
    assert rig.open == {}


# --- cancel -----------------------------------------------------------------------------------------------


def test_rule_41_cancel_fails_what_waits_at_once_and_ends_at_standstill() -> None:
    rig = driving()
    rig.instant(CANCEL)
    assert rig.statuses() == {"a1": FAILED, "a2": FAILED, "c1": RUNNING}
    end_control(rig, Control.CANCEL)
    assert rig.statuses()["c1"] is RUNNING
    rig.observe(driving=False)
    assert rig.statuses()["c1"] is FINISHED


def test_rule_41_cancel_lets_an_action_run_out() -> None:
    rig = Rig()
    rig.order(order(2, actions={0: (act("a1"),)}))
    rig.instant(CANCEL)
    end_control(rig, Control.CANCEL)
    assert rig.statuses() == {"a1": RUNNING, "c1": RUNNING}
    rig.end(rig.now_open)
    assert rig.statuses() == {"a1": FINISHED, "c1": FINISHED}


def test_rule_41_an_action_that_is_cut_short_fails_without_an_error() -> None:
    rig = Rig()
    rig.order(order(2, actions={0: (act("a1"),)}))
    rig.instant(CANCEL)
    end_control(rig, Control.CANCEL)
    rig.end(rig.now_open, Outcome.FAILED, "cancelled")
    assert rig.statuses() == {"a1": FAILED, "c1": FINISHED}
    assert rig.error_types() == []


def test_rule_41_a_vehicle_that_cannot_cancel_drives_to_the_next_node() -> None:
    rig = driving()
    rig.instant(CANCEL)
    drive = next(each for each in rig.open.values() if isinstance(each, Drive))
    command = next(each for each in rig.open.values() if not isinstance(each, Drive))
    rig.take(rig.mission.command_result(command.command_id, Outcome.FAILED))
    assert rig.statuses()["c1"] is RUNNING
    rig.observe(driving=False)
    rig.take(rig.mission.command_result(drive.command_id, Outcome.DONE))
    assert rig.statuses()["c1"] is FINISHED
    assert rig.mission.vehicle_state().last_node_id == "n1"


def test_rule_42_after_a_cancel_the_ids_stay_and_the_way_is_empty() -> None:
    rig = driving()
    rig.instant(CANCEL)
    end_control(rig, Control.CANCEL)
    rig.observe(driving=False)
    state = rig.mission.vehicle_state()
    assert (state.order_id, state.order_update_id, state.nodes, state.edges) == ("o1", 0, (), ())
    assert rig.mission.state.idle


def test_rule_42_cancelled_between_nodes_the_last_node_alone_is_no_start() -> None:
    rig = driving()
    rig.instant(CANCEL)
    end_control(rig, Control.CANCEL)
    rig.observe(driving=False, pose=Pose(0.9, 0.0, 0.0, "hall"))
    last = order(1, order_id="o2")
    rig.order(with_node(last, 0, node_position=None))
    assert rig.error_types() == ["noRouteError"]
    rig.order(with_node(last, 0, node_position=NodePosition(0.0, 0.0, "hall", allowed_deviation_xy=1.0)))
    assert rig.error_types() == []
    assert rig.mission.vehicle_state().order_id == "o2"


def test_a_cancel_ends_what_needs_no_vehicle_at_once() -> None:
    rig = Rig()
    rig.order(order(2, released=1))
    step = rig.instant(CANCEL)
    assert step.commands == ()
    assert rig.statuses() == {"c1": FINISHED}


def test_a_second_cancel_joins_the_first() -> None:
    rig = driving()
    rig.instant(CANCEL)
    rig.instant(act("c2", "cancelOrder", "NONE"))
    assert rig.controls == [Control.CANCEL]
    end_control(rig, Control.CANCEL)
    rig.observe(driving=False)
    assert (rig.statuses()["c1"], rig.statuses()["c2"]) == (FINISHED, FINISHED)


def test_rule_43_without_an_order_a_cancel_fails() -> None:
    rig = Rig()
    rig.instant(CANCEL)
    assert rig.statuses() == {"c1": FAILED}
    (error,) = rig.mission.state.errors
    assert error.error_type == "noOrderToCancel"
    assert error.refers_to("actionId", "c1")


def test_rule_43_a_finished_or_cancelled_order_cannot_be_cancelled() -> None:
    rig = Rig()
    rig.order(order(2))
    rig.run()
    rig.instant(CANCEL)
    assert rig.statuses() == {"c1": FAILED}
    rig.instant(act("c2", "cancelOrder", "NONE"))
    assert rig.statuses()["c2"] is FAILED


def test_rule_44_an_update_after_a_cancel_is_rejected() -> None:
    rig = driving()
    rig.instant(CANCEL)
    rig.order(order(2, first=2, update_id=1))
    assert rig.error_types() == ["orderUpdateError"]


def test_a_held_mission_can_be_cancelled() -> None:
    rig = Rig()
    rig.order(order(2))
    rig.end(rig.drive, Outcome.FAILED)
    rig.instant(CANCEL)
    assert rig.statuses() == {"c1": FINISHED}
    assert rig.error_types() == []


def test_a_paused_order_can_be_cancelled_and_the_pause_stays() -> None:
    rig = driving()
    rig.instant(START)
    end_control(rig, Control.PAUSE)
    rig.observe(driving=False)
    rig.instant(CANCEL)
    end_control(rig, Control.CANCEL)
    assert rig.statuses()["c1"] is FINISHED
    assert rig.mission.vehicle_state().paused


def test_cancel_during_an_action_commands_nothing_new() -> None:
    rig = Rig()
    rig.order(order(3, actions={0: (act("a1"), act("a2"))}))
    rig.instant(CANCEL)
    end_control(rig, Control.CANCEL)
    rig.end(rig.now_open)
    assert rig.open == {}
    assert rig.physical == {"a1": 1}
    assert not any(isinstance(command, Perform) for command in rig.open.values())
