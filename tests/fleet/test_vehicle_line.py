"""What the bridge tells becomes the mission's inputs, also in the orders of events that only a busy machine makes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import firmware_bridge as bridge
from agent.events import EventDecoder, Origin
from agent.fleet.journal import MissionJournal
from agent.fleet.mission_desk import MissionDesk
from agent.fleet.vehicle_line import VehicleLine
from agent.fleet.vehicle_state import ActionStatus, changed_fields
from agent.settings import VehicleSettings
from agent.topics import DeviceName
from tests.fleet.orders import TYPE, act, order
from tests.log.world import SetClock, inline_log, new_ids

SETTINGS = VehicleSettings(id="agv-1", manufacturer="acme", serial_number="1", port="/dev/none", map_id="hall")
FIRST = bridge.Identity(
    firmware="f",
    vehicle="AGV-1",
    protocol=(1, 0),
    boot_count=5,
    reset_cause=bridge.ResetCause.POWER,
    last_command=0,
    latch=0,
    latch_cause=bridge.LatchCause.RELEASED,
    lease_min_ms=100,
    lease_max_ms=500,
    window=8,
)
STATUS = bridge.Status(
    0, 0, 0, 0, 0, 0, 0, 900, bridge.StatusFlags.LINK_OPEN, bridge.Faults(0), command=0, node=0, picks=0, drops=0
)


class ToldBridge:
    """A bridge whose every word is the test's; it keeps what it is asked to send."""

    def __init__(self) -> None:
        self.words: list[bridge.Event] = []
        self.submitted: list[bridge.Command] = []

    def submit(self, command: bridge.Command) -> None:
        self.submitted.append(command)

    def stop(self, reason: bridge.StopReason) -> int:
        return int(reason)

    def release(self, latch: int) -> None:
        raise AssertionError(latch)

    def feed(self) -> None: ...

    def fileno(self) -> int:
        raise AssertionError

    def events(self) -> list[bridge.Event]:
        said, self.words = self.words, []
        return said

    def statistics(self) -> bridge.Statistics:
        raise AssertionError

    def close(self) -> None: ...


class Line:
    """A vehicle's line with its mission, on a log that stores nothing yet: no command goes out."""

    def __init__(self, desk: MissionDesk) -> None:
        self.far = ToldBridge()
        self.desk = desk
        self.line = VehicleLine(SETTINGS, self.far, desk, SetClock())

    def tell(self, *events: bridge.Event) -> None:
        self.far.words += events
        self.line.take_events()

    def order_a_pick(self) -> int:
        """A pick where it stands; the id of its command."""
        self.desk.take(lambda mission: mission.receive_order(order(2, actions={0: (act("fetch"),)}), 1))
        (command_id,) = self.desk.state.open_command_ids
        return command_id


@contextmanager
def opened_line(folder: Path) -> Iterator[Line]:
    """The link is up, the vehicle at the first node."""
    with inline_log(folder) as log:
        decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=SetClock().wall, new_id=new_ids())
        journal = MissionJournal(log, "agv-1", stored=lambda: None)
        line = Line(MissionDesk("agv-1", TYPE, journal, decoder, SetClock()))
        line.tell(bridge.LinkUp(1, 1, FIRST), STATUS)
        assert line.desk.mission.linked
        yield line


def test_a_command_that_missed_the_last_link_does_not_take_the_next_one_for_lost(tmp_path: Path) -> None:
    with opened_line(tmp_path) as line:
        first = line.order_a_pick()
        late = bridge.NotSent(4, first, bridge.NotSentReason.LINK_CLOSED)
        line.tell(bridge.LinkDown(2, 1, "gone"), bridge.LinkUp(3, 2, FIRST), late)
        assert line.desk.mission.linked
        (anew,) = line.desk.state.open_command_ids
        assert anew > first


def test_a_result_that_nobody_awaits_any_more_stops_nothing(tmp_path: Path) -> None:
    with opened_line(tmp_path) as line:
        stopped = (bridge.Outcome.FAILED, bridge.Reason.STOPPED, bridge.Outcome.UNKNOWN)
        line.tell(bridge.Result(2, 999, 1, *stopped))
        assert not line.line.stopped
        line.tell(bridge.Result(3, line.order_a_pick(), 1, *stopped))
        assert line.line.stopped


def test_another_controller_with_the_same_count_of_boots_is_not_asked_what_it_cannot_know(tmp_path: Path) -> None:
    with opened_line(tmp_path) as line:
        line.order_a_pick()
        line.tell(bridge.LinkDown(2, 1, "gone"), bridge.LinkUp(3, 2, replace(FIRST, vehicle="AGV-2")))
        assert line.desk.state.actions["fetch"].unknown
        assert line.desk.state.actions["fetch"].status is ActionStatus.RUNNING
        assert line.far.submitted == []


def test_what_the_same_controller_never_received_is_commanded_anew(tmp_path: Path) -> None:
    with opened_line(tmp_path) as line:
        first = line.order_a_pick()
        line.tell(bridge.LinkDown(2, 1, "gone"), bridge.LinkUp(3, 2, FIRST))
        (anew,) = line.desk.state.open_command_ids
        assert anew > first


def test_a_fault_is_an_error_of_the_state_until_it_ends_and_tells_fleet_control_each_time(tmp_path: Path) -> None:
    with opened_line(tmp_path) as line:

        def told(faults: bridge.Faults) -> tuple[list[tuple[str, str]], bool]:
            before = line.desk.mission.vehicle_state()
            line.tell(replace(STATUS, faults=faults))
            after = line.desk.mission.vehicle_state()
            errors = [(error.error_type.value, error.level.value) for error in after.errors]
            return errors, "errors" in changed_fields(before, after)

        assert told(bridge.Faults.LIFT) == ([("liftFault", "FATAL")], True)
        assert told(bridge.Faults.LIFT) == ([("liftFault", "FATAL")], False)
        line.order_a_pick()  # an accepted order ends the errors of messages, not those of the vehicle
        assert told(bridge.Faults.LIFT) == ([("liftFault", "FATAL")], False)
        assert told(bridge.Faults(0)) == ([], True)


def test_inputs_that_bring_about_nothing_do_not_pile_up_while_the_disk_takes_nothing(tmp_path: Path) -> None:
    with opened_line(tmp_path) as line:
        line.order_a_pick()
        before = line.desk.waiting
        for at in range(1_000):
            line.tell(replace(STATUS, x_mm=at, flags=bridge.StatusFlags.MOVING if at % 2 else bridge.StatusFlags(0)))
        assert line.desk.waiting == before
