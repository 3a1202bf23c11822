"""The stop, the lost line and kill -9: nothing moves by itself, nothing is done twice, nothing is guessed."""

import pytest

from agent.fleet import ActionStatus, Control, EmergencyStop, ErrorType, Mission, Outcome, Perform
from agent.fleet.entries import ActionIssued, DriveIssued, Entry
from tests.fleet.abilities import ANY_BLOCKING
from tests.fleet.orders import TYPE, act, order
from tests.fleet.rig import Rig, ids

RUNNING, FINISHED, FAILED = ActionStatus.RUNNING, ActionStatus.FINISHED, ActionStatus.FAILED
CANCEL = act("c1", "cancelOrder", "NONE")
MANUAL, REMOTE = EmergencyStop.MANUAL, EmergencyStop.REMOTE


def driving() -> Rig:
    rig = Rig()
    rig.order(order(3, actions={1: (act("a1"),), 2: (act("a2", "drop"),)}))
    return rig


def picking() -> Rig:
    rig = driving()
    rig.end(rig.drive)
    assert rig.performing == ["a1"]
    return rig


# --- stop -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [MANUAL, REMOTE])
def test_a_stop_is_reported_and_the_order_kept(stop: EmergencyStop) -> None:
    rig = driving()
    step = rig.take(rig.mission.latch_stop(stop))
    state = rig.mission.vehicle_state()
    assert "emergency_stop" in step.changed
    assert (state.emergency_stop, state.order_id, len(state.nodes)) == (stop, "o1", 2)


def test_a_stopped_vehicle_is_commanded_nothing_until_a_person_releases_it() -> None:
    rig = driving()
    stopped = rig.drive
    rig.take(rig.mission.latch_stop(REMOTE))
    rig.end(stopped, Outcome.FAILED, "stopped")
    rig.observe(driving=False)
    assert (rig.open, rig.error_types()) == ({}, [])
    rig.take(rig.mission.release_stop("Ada"))
    assert rig.drive.node == stopped.node
    assert rig.drive.command_id != stopped.command_id
    rig.run()
    assert rig.mission.state.idle


def test_a_released_vehicle_is_told_its_way_anew_even_if_it_never_answered() -> None:
    rig = driving()
    stopped = rig.drive
    rig.take(rig.mission.latch_stop(REMOTE))
    rig.take(rig.mission.release_stop("Ada"))
    assert rig.mission.state.drive
    assert rig.mission.state.drive.command_id != stopped.command_id
    late = rig.mission.command_result(stopped.command_id, Outcome.FAILED)
    assert late.entries == ()


def test_an_order_that_comes_while_stopped_waits() -> None:
    rig = Rig()
    rig.take(rig.mission.latch_stop(REMOTE))
    assert rig.order(order(2)).commands == ()
    rig.take(rig.mission.release_stop("Ada"))
    assert rig.drive.node.node_id == "n1"


def test_an_action_keeps_its_outcome_through_a_stop() -> None:
    rig = picking()
    rig.take(rig.mission.latch_stop(REMOTE))
    rig.end(rig.now_open)
    assert rig.statuses()["a1"] is FINISHED
    assert rig.open == {}
    rig.take(rig.mission.release_stop("Ada"))
    rig.run()
    assert rig.physical == {"a1": 1, "a2": 1}


def test_stop_pause_does_not_release_a_stop() -> None:
    rig = driving()
    rig.instant(act("p1", "startPause", "NONE"))
    rig.run()
    rig.take(rig.mission.latch_stop(REMOTE))
    rig.instant(act("p2", "stopPause", "NONE"))
    assert rig.open == {}
    assert rig.statuses()["p2"] is RUNNING
    rig.take(rig.mission.release_stop("Ada"))
    assert rig.controls == [Control.RESUME]


def test_a_stopped_order_can_be_cancelled() -> None:
    rig = driving()
    rig.take(rig.mission.latch_stop(REMOTE))
    rig.end(rig.drive, Outcome.FAILED)
    rig.instant(CANCEL)
    assert rig.statuses() == {"a1": FAILED, "a2": FAILED, "c1": FINISHED}
    assert rig.mission.vehicle_state().emergency_stop is REMOTE


def test_stopping_and_releasing_twice_is_once() -> None:
    rig = Rig()
    assert ids(rig.take(rig.mission.latch_stop(REMOTE)).entries) == ["stop_latched"]
    assert rig.take(rig.mission.latch_stop(REMOTE)).entries == ()
    assert ids(rig.take(rig.mission.release_stop("Ada")).entries) == ["stop_released"]
    assert rig.take(rig.mission.release_stop("Ada")).entries == ()


def test_a_cancel_ends_an_action_whose_command_never_arrived() -> None:
    rig = picking()
    command = rig.now_open
    rig.instant(CANCEL)
    rig.take(rig.mission.command_result(command.command_id, Outcome.NEVER_RECEIVED))
    del rig.open[command.command_id]
    rig.run()
    assert rig.statuses() == {"a1": FAILED, "a2": FAILED, "c1": FINISHED}


# --- the serial line --------------------------------------------------------------------------------------


def test_a_lost_line_is_reported_and_nothing_is_commanded() -> None:
    rig = picking()
    step = rig.take(rig.mission.link_lost())
    assert "errors" in step.changed
    assert rig.error_types() == [ErrorType.LINK_LOST]
    rig.take(rig.mission.command_result(rig.now_open.command_id, Outcome.DONE))
    assert rig.mission.state.drive is None


def test_nothing_moves_because_the_line_came_back() -> None:
    """Its lease ran out, so the vehicle has latched its stop: a person releases it."""
    rig = driving()
    command = rig.drive
    rig.open.clear()
    rig.take(rig.mission.link_lost())
    step = rig.link_up({command.command_id: Outcome.FAILED}, MANUAL)
    assert step.commands == ()
    assert rig.mission.vehicle_state().emergency_stop is MANUAL
    rig.take(rig.mission.release_stop("Ada"))
    assert rig.drive.node.node_id == "n1"


def test_a_line_that_was_down_too_briefly_for_a_stop_is_no_event() -> None:
    rig = driving()
    command = rig.drive
    rig.take(rig.mission.link_lost())
    step = rig.link_up({command.command_id: Outcome.RUNNING})
    assert (step.entries, step.commands) == ((), ())
    rig.run()
    assert rig.mission.state.idle


def test_a_vehicle_that_does_not_say_it_is_latched_does_not_release_the_stop() -> None:
    rig = driving()
    rig.take(rig.mission.latch_stop(REMOTE))
    rig.take(rig.mission.link_lost())
    rig.link_up()
    assert rig.mission.vehicle_state().emergency_stop is REMOTE


def test_a_drive_that_the_vehicle_does_not_remember_waits_for_a_person() -> None:
    rig = driving()
    rig.open.clear()
    rig.take(rig.mission.link_lost())
    assert rig.link_up().commands == ()
    assert rig.error_types() == [ErrorType.DRIVE_FAILED]
    rig.take(rig.mission.retry("Ada"))
    assert rig.drive.node.node_id == "n1"


# --- kill -9 ----------------------------------------------------------------------------------------------


def test_a_restored_mission_commands_nothing_before_the_vehicle_was_asked() -> None:
    rig = driving()
    rig.crash()
    assert rig.mission.observe(rig.facts).commands == ()


@pytest.mark.parametrize(
    ("outcome", "status", "picks"),
    [
        (Outcome.DONE, FINISHED, 1),
        (Outcome.FAILED, FAILED, 1),
        (Outcome.RUNNING, RUNNING, 1),
        (Outcome.NEVER_RECEIVED, RUNNING, 2),  # commanded again: the first command never arrived
        (Outcome.EXPIRED, RUNNING, 2),
        (Outcome.UNKNOWN, RUNNING, 1),
    ],
)
def test_after_a_crash_the_vehicle_is_asked_what_it_did(outcome: Outcome, status: ActionStatus, picks: int) -> None:
    rig = picking()
    command = rig.now_open
    rig.open.clear()
    rig.crash()
    rig.mission.observe(rig.facts)
    rig.link_up({command.command_id: outcome})
    assert rig.statuses()["a1"] is status
    assert rig.physical == {"a1": picks}


def test_an_unknown_outcome_is_an_error_and_waits_for_a_person() -> None:
    rig = picking()
    rig.open.clear()
    rig.crash()
    rig.mission.observe(rig.facts)
    step = rig.link_up(stop=MANUAL)
    assert ids(step.entries) == ["stop_latched", "outcome_unknown"]
    assert rig.error_types() == [ErrorType.OUTCOME_UNKNOWN]
    assert rig.mission.state.errors[0].refers_to("actionId", "a1")
    rig.take(rig.mission.release_stop("Ada"))
    assert rig.open == {}


def test_nothing_is_begun_while_an_outcome_is_unknown() -> None:
    rig = Rig(ANY_BLOCKING)
    rig.take(rig.mission.latch_stop(REMOTE))
    rig.order(order(2, actions={0: (act("a1", blocking="NONE"), act("a2", blocking="NONE"))}))
    rig.take(rig.mission.release_stop("Ada"))
    rig.open.clear()
    rig.take(rig.mission.link_lost())
    issued = rig.mission.state.open_command_ids
    assert rig.link_up(dict.fromkeys(issued[:2], Outcome.NEVER_RECEIVED)).commands == ()
    rig.take(rig.mission.resolve("a2", done=True, by="Ada"))
    assert len(rig.open) == 2  # a1, and the way on beside it


@pytest.mark.parametrize(("done", "status"), [(True, FINISHED), (False, FAILED)])
def test_a_person_resolves_an_unknown_outcome_and_it_is_never_done_again(
    done: bool,  # noqa: FBT001 - a case of the table
    status: ActionStatus,
) -> None:
    rig = picking()
    rig.open.clear()
    rig.crash()
    rig.mission.observe(rig.facts)
    rig.link_up()
    rig.take(rig.mission.resolve("a1", done=done, by="Ada"))
    assert rig.error_types() == []
    rig.run()
    assert rig.statuses() == {"a1": status, "a2": FINISHED}
    assert rig.physical == {"a1": 1, "a2": 1}


def test_only_unknown_outcomes_can_be_resolved() -> None:
    rig = picking()
    assert rig.mission.resolve("a1", done=True, by="Ada").entries == ()
    assert rig.mission.resolve("a9", done=True, by="Ada").entries == ()


def test_a_late_answer_resolves_an_unknown_outcome() -> None:
    rig = picking()
    command = rig.now_open
    rig.open.clear()
    rig.take(rig.mission.link_lost())
    rig.link_up()
    rig.take(rig.mission.link_lost())
    rig.link_up({command.command_id: Outcome.DONE})
    assert rig.statuses()["a1"] is FINISHED
    assert rig.error_types() == []


def test_an_unknown_outcome_stays_unknown_when_asked_again() -> None:
    rig = picking()
    rig.open.clear()
    rig.take(rig.mission.link_lost())
    rig.link_up()
    rig.take(rig.mission.link_lost())
    assert rig.link_up().entries == ()


def test_a_cancel_waits_for_the_person_who_resolves() -> None:
    rig = picking()
    rig.open.clear()
    rig.take(rig.mission.link_lost())
    rig.link_up()
    rig.instant(CANCEL)
    rig.run()
    assert rig.statuses()["c1"] is RUNNING
    rig.take(rig.mission.resolve("a1", done=False, by="Ada"))
    assert rig.statuses() == {"a1": FAILED, "a2": FAILED, "c1": FINISHED}


def test_controls_of_unknown_outcome_are_said_again() -> None:
    rig = driving()
    drive = rig.drive
    rig.instant(act("p1", "startPause", "NONE"))
    rig.open.clear()
    rig.take(rig.mission.link_lost())
    rig.link_up({drive.command_id: Outcome.RUNNING})
    assert rig.controls == [Control.PAUSE]


def every_prefix() -> list[tuple[int, str]]:
    """Every journal step of a whole mission, as a place to crash."""
    rig = driving()
    rig.run()
    return list(enumerate(ids(rig.entries())))[1:]


@pytest.mark.parametrize(("place", "kind"), every_prefix())
@pytest.mark.parametrize("received", [True, False])
def test_killed_after_any_journal_step_every_pick_is_done_once(place: int, kind: str, *, received: bool) -> None:
    """The vehicle got the last command, or did not; either way it can tell, and the mission goes on to its end."""
    whole = driving()
    whole.run()
    rig = Rig()
    rig.journal = whole.journal[: place + 1]
    rig.physical, rig.open = {}, {}
    done = [entry for entry in rig.entries() if entry.kind == "command_done"]
    rig.crash()
    rig.mission.observe(rig.facts)
    state = rig.mission.state
    for action_id, tracked in state.actions.items():
        if tracked.status is FINISHED or (tracked.command_id and received):
            rig.physical[action_id] = 1
    outcome = Outcome.DONE if received else Outcome.NEVER_RECEIVED
    rig.link_up(dict.fromkeys(state.open_command_ids, outcome))
    if state.received is None:
        rig.order(order(3, actions={1: (act("a1"),), 2: (act("a2", "drop"),)}))
    rig.run()
    assert rig.mission.state.idle, (kind, done)
    assert rig.physical == {"a1": 1, "a2": 1}


def test_a_snapshot_stands_for_all_before_it() -> None:
    rig = picking()
    entries: list[Entry] = [rig.mission.snapshot()]
    assert Mission.restore(TYPE, entries).state == rig.mission.state
    rig.journal = rig.journal[:1]
    step = rig.end(rig.now_open)
    entries += step.entries
    assert Mission.restore(TYPE, entries).state == rig.mission.state


def test_commands_are_announced_by_the_entries_of_their_step() -> None:
    rig = driving()
    rig.run()
    for step in rig.steps:
        announced = [each.command_id for each in step.entries if isinstance(each, DriveIssued | ActionIssued)]
        assert announced == [command.command_id for command in step.commands]
    assert any(isinstance(command, Perform) for step in rig.steps for command in step.commands)
