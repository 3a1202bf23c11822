"""What the rest of the shop hears of a mission: each fact once, in words that events can hold."""

from agent.event_types import EventData
from agent.fleet.commands import Drive, Outcome
from agent.fleet.entries import Entry
from agent.fleet.vehicle_events import event_key, events_of, order_rejected
from tests.fleet.orders import act, order
from tests.fleet.rig import Rig


def told(rig: Rig) -> list[tuple[str, ...]]:
    """Everything that the rig's steps mean, in short."""
    entries: list[Entry] = [entry for step in rig.steps for entry in step.entries]
    before = Rig(rig.vehicle, rig.facts).mission.state
    return [_short(event) for event in events_of("agv-1", before, entries)]


def _short(event: EventData) -> tuple[str, ...]:
    fields = event.model_dump()
    keys = ("order_id", "action_id", "action", "status", "load_id", "position", "result")
    return (type(event).__name__, *(str(fields[key]) for key in keys if fields.get(key) is not None))


def test_an_order_is_told_from_its_acceptance_to_its_end() -> None:
    rig = Rig()
    rig.order(order(2, actions={1: (act("a1", "pick", loadId="box 7"),)}))
    rig.run()
    assert told(rig) == [
        ("AgvOrder", "o1", "accepted"),
        ("AgvOrder", "o1", "started"),
        ("AgvAction", "o1", "a1", "running"),
        ("AgvAction", "o1", "a1", "finished"),
        ("AgvLoad", "picked", "box_7", "n1"),
        ("AgvOrder", "o1", "finished"),
    ]


def test_a_drive_that_is_commanded_again_does_not_start_the_order_again() -> None:
    rig = Rig()
    rig.order(order(2))
    rig.end(rig.now_open, Outcome.EXPIRED)
    assert isinstance(rig.now_open, Drive)
    rig.run()
    assert [fact[-1] for fact in told(rig)] == ["accepted", "started", "finished"]


def test_an_order_with_a_failed_action_has_failed() -> None:
    rig = Rig()
    rig.order(order(2, actions={1: (act("a1"),)}))
    rig.end(rig.now_open)
    rig.end(rig.now_open, Outcome.FAILED, "impossible")
    facts = told(rig)
    assert ("AgvAction", "o1", "a1", "failed", "impossible") in facts
    assert facts[-1] == ("AgvOrder", "o1", "failed")
    assert not [fact for fact in facts if fact[0] == "AgvLoad"]


def test_a_cancelled_order_is_told_as_cancelled_alone() -> None:
    rig = Rig()
    rig.order(order(3, actions={2: (act("a1"),)}))
    rig.instant(act("stop-it", "cancelOrder", "NONE"))
    rig.run()
    statuses = [fact[-1] for fact in told(rig) if fact[0] == "AgvOrder"]
    assert statuses == ["accepted", "started", "cancelled"]


def test_an_unknown_outcome_is_told_and_then_what_a_person_says_of_it() -> None:
    rig = Rig()
    rig.order(order(2, actions={1: (act("a1"),)}))
    rig.end(rig.now_open)
    rig.end(rig.now_open, Outcome.UNKNOWN)
    rig.take(rig.mission.resolve("a1", done=True, by="ann"))
    statuses = [fact for fact in told(rig) if fact[0] in {"AgvAction", "AgvLoad"}]
    assert statuses == [
        ("AgvAction", "o1", "a1", "running"),
        ("AgvAction", "o1", "a1", "unknown"),
        ("AgvAction", "o1", "a1", "finished", "said by ann"),
        ("AgvLoad", "picked", "n1"),
    ]


def test_a_refused_order_is_told_with_its_reason_and_an_ignored_one_not() -> None:
    rig = Rig()
    first, second = order(3), order(3, order_id="o 2")
    rig.order(first)
    (told_of,) = order_rejected("agv-1", second, rig.order(second).verdict)
    assert (told_of.order_id, told_of.status) == ("o_2", "rejected")
    assert "still active" in str(told_of.reason)
    assert list(order_rejected("agv-1", first, rig.order(first).verdict)) == []


def test_ids_are_told_in_letters_that_events_can_hold() -> None:
    assert event_key("a b/ü") == "a_b_ü"
    assert event_key("") == "_"
    assert len(event_key("x" * 500)) == 80
