"""What is asked of a vehicle after a link broke, and what is concluded without asking."""

from agent.fleet.commands import LinkReport, Outcome
from agent.fleet.reconciliation import Reconciliation
from agent.fleet.vehicle_state import EmergencyStop


def test_what_the_vehicle_never_received_is_known_without_asking() -> None:
    asked = Reconciliation([4, 5], last_command=3, same_boot=True)
    assert asked.complete
    assert asked.report(EmergencyStop.NONE).outcomes == {4: Outcome.NEVER_RECEIVED, 5: Outcome.NEVER_RECEIVED}


def test_what_it_received_is_asked_for_and_the_report_waits_for_every_answer() -> None:
    asked = Reconciliation([3, 4, 5], last_command=4, same_boot=True)
    assert asked.questions == {3, 4}
    asked.answered(3, Outcome.DONE)
    assert not asked.complete
    asked.answered(4, Outcome.UNKNOWN)
    assert asked.report(EmergencyStop.REMOTE) == LinkReport(
        {3: Outcome.DONE, 4: Outcome.UNKNOWN, 5: Outcome.NEVER_RECEIVED}, EmergencyStop.REMOTE
    )


def test_a_result_that_comes_after_the_answer_counts() -> None:
    asked = Reconciliation([3, 4], last_command=4, same_boot=True)
    asked.answered(3, Outcome.RUNNING)
    asked.answered(3, Outcome.DONE)
    asked.answered(4, Outcome.RUNNING)
    assert asked.report(EmergencyStop.NONE).outcomes == {3: Outcome.DONE, 4: Outcome.RUNNING}


def test_an_answer_to_what_was_not_open_is_nothing() -> None:
    asked = Reconciliation([3], last_command=4, same_boot=True)
    asked.answered(9, Outcome.DONE)
    asked.answered(3, Outcome.FAILED)
    assert asked.report(EmergencyStop.NONE).outcomes == {3: Outcome.FAILED}


def test_a_vehicle_that_started_anew_is_not_asked_as_it_has_forgotten() -> None:
    asked = Reconciliation([3, 4], last_command=9, same_boot=False)
    assert asked.complete
    assert asked.report(EmergencyStop.REMOTE) == LinkReport({}, EmergencyStop.REMOTE)
