"""A mission's commands as the serial line carries them, and the vehicle's answers as the mission reads them."""

from math import pi

import pytest

import firmware_bridge as bridge
from agent.fleet.bridge_words import bridge_command, facts_of, is_motion, outcome_of, was_not_moved
from agent.fleet.commands import Command, Control, ControlMotion, Drive, Outcome, Perform
from agent.fleet.errors import ErrorLevel
from agent.fleet.model import ActionParameter, NodeRef
from agent.fleet.vehicle_state import Battery, Load, Pose, Velocity

HERE = NodeRef("shelf", 4)


def result(outcome: bridge.Outcome, reason: bridge.Reason, prior: bridge.Outcome) -> bridge.Result:
    return bridge.Result(0, 1, 1, outcome, reason, prior)


def test_a_drive_is_a_move_in_millimetres() -> None:
    move = bridge_command(Drive(7, HERE, 1.2346, -2.0, pi, 0.5), "", 900)
    assert move == bridge.Move(command_id=7, ttl_ms=900, node=4, x_mm=1235, y_mm=-2000, theta_mrad=3142, speed_mm_s=500)
    assert bridge_command(Drive(7, HERE, 0, 0, None, 0.0001), "", 0) == bridge.Move(
        command_id=7, ttl_ms=0, node=4, x_mm=0, y_mm=0, theta_mrad=None, speed_mm_s=1
    )


@pytest.mark.parametrize(("theta", "theta_mrad"), [(0.0, 0), (-pi, -3142), (1.5 * pi, -1571)])
def test_a_heading_is_within_half_a_turn(theta: float, theta_mrad: int) -> None:
    move = bridge_command(Drive(1, HERE, 0, 0, theta, 1), "", 0)
    assert isinstance(move, bridge.Move)
    assert move.theta_mrad == theta_mrad


def test_a_place_beyond_the_line_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        bridge_command(Drive(1, HERE, 3e6, 0, None, 1), "", 0)


@pytest.mark.parametrize(
    ("parameters", "station", "height_mm"),
    [
        ({"stationName": "12", "height": 0.25}, 12, 250),
        ({"stationName": "shelf"}, 2772917219, 0),
        ({"height": -1}, 2772917219, 0),
        ({"stationName": "0", "height": 99.0}, 4108050209, 65_535),
    ],
)
def test_a_pick_names_its_station_by_number_the_same_for_the_same_name(
    parameters: dict[str, str | float], station: int, height_mm: int
) -> None:
    given = tuple(ActionParameter(key, value) for key, value in parameters.items())
    for name, kind in (("pick", bridge.Pick), ("drop", bridge.Drop)):
        command = bridge_command(Perform(3, "a", name, given), "shelf", 5)
        assert command == kind(command_id=3, ttl_ms=5, station=station, height_mm=height_mm)


def test_only_what_moves_something_grows_old() -> None:
    moving: list[Command] = [Drive(1, HERE, 0, 0, None, 1), Perform(1, "a", "pick", ())]
    moving.append(ControlMotion(1, Control.RESUME))
    assert all(map(is_motion, moving))
    assert not is_motion(ControlMotion(1, Control.PAUSE))
    assert not is_motion(ControlMotion(1, Control.CANCEL))


@pytest.mark.parametrize(
    ("control", "kind"),
    [(Control.PAUSE, bridge.Pause), (Control.RESUME, bridge.Resume), (Control.CANCEL, bridge.Cancel)],
)
def test_control_goes_by_its_own_commands(control: Control, kind: type[bridge.Command]) -> None:
    assert bridge_command(ControlMotion(2, control), "", 9) == kind(command_id=2, ttl_ms=9)


OUTCOMES = [
    (bridge.Outcome.ACCEPTED, Outcome.RUNNING),
    (bridge.Outcome.STARTED, Outcome.RUNNING),
    (bridge.Outcome.DONE, Outcome.DONE),
    (bridge.Outcome.FAILED, Outcome.FAILED),
    (bridge.Outcome.EXPIRED, Outcome.EXPIRED),
    (bridge.Outcome.UNKNOWN, Outcome.UNKNOWN),
]


@pytest.mark.parametrize(("said", "meant"), OUTCOMES)
def test_a_result_and_its_repetition_mean_the_same(said: bridge.Outcome, meant: Outcome) -> None:
    assert outcome_of(result(said, bridge.Reason.NONE, bridge.Outcome.UNKNOWN)) is meant
    assert outcome_of(result(bridge.Outcome.DUPLICATE, bridge.Reason.NONE, said)) is meant


def test_what_the_vehicle_forgot_is_unknown_and_never_failed() -> None:
    assert outcome_of(result(bridge.Outcome.FAILED, bridge.Reason.FORGOTTEN, bridge.Outcome.UNKNOWN)) is Outcome.UNKNOWN


@pytest.mark.parametrize("reason", list(bridge.Reason))
def test_only_a_stop_or_an_old_link_says_that_nothing_was_moved(reason: bridge.Reason) -> None:
    moved = reason not in {bridge.Reason.LATCHED, bridge.Reason.STOPPED, bridge.Reason.STALE}
    assert was_not_moved(result(bridge.Outcome.FAILED, reason, bridge.Outcome.UNKNOWN)) is not moved
    assert was_not_moved(result(bridge.Outcome.DUPLICATE, reason, bridge.Outcome.FAILED)) is not moved
    assert not was_not_moved(result(bridge.Outcome.DONE, reason, bridge.Outcome.UNKNOWN))


def test_telemetry_is_told_in_metres_radians_and_per_cent() -> None:
    flags = bridge.StatusFlags.MOVING | bridge.StatusFlags.LOADED | bridge.StatusFlags.CHARGING
    status = bridge.Status(0, 1, 1500, -250, 3142, 800, -100, 555, flags, bridge.Faults(0), 7, 4, 1, 0)
    facts = facts_of(status, "shop", Load("box-1", "EPAL"))
    assert facts.pose == Pose(1.5, -0.25, pi, "shop", initialized=True)
    assert facts.velocity == Velocity(0.8, 0.0, -0.1)
    assert (facts.battery, facts.driving) == (Battery(55.5, charging=True), True)
    assert facts.loads == (Load("box-1", "EPAL"),)


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (bridge.Faults(0), []),
        (bridge.Faults.DRIVE, ["driveFault"]),
        (bridge.Faults.POSITION_LOST, ["localizationError"]),
        (bridge.Faults.LIFT | bridge.Faults.BATTERY, ["liftFault", "batteryFault"]),
        (bridge.Faults(0x40), ["vehicleFault"]),
    ],
)
def test_each_fault_of_the_vehicle_is_an_error_that_needs_a_person(faults: bridge.Faults, told: list[str]) -> None:
    status = bridge.Status(0, 1, 0, 0, 0, 0, 0, 1000, bridge.StatusFlags(0), faults, 0, 0, 0, 0)
    found = facts_of(status, "shop", Load()).faults
    assert [error.error_type.value for error in found] == told
    assert all(error.level is ErrorLevel.FATAL and error.description and error.hint for error in found)


def test_a_lost_position_is_told_and_an_empty_fork_too() -> None:
    status = bridge.Status(0, 1, 0, 0, 0, 0, 0, 1000, bridge.StatusFlags(0), bridge.Faults.POSITION_LOST, 0, 0, 0, 0)
    facts = facts_of(status, "shop", Load())
    assert facts.pose is not None
    assert (facts.pose.initialized, facts.loads) == (False, ())
