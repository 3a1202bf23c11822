"""Rows of the journal: what is read is what was written."""

import json

import pytest
from pydantic import ValidationError

from agent.fleet import Control, EmergencyStop, Entry, NodeRef, Order, Outcome, entry_from_json, entry_to_json
from agent.fleet.entries import (
    ActionEnded,
    CommandFailed,
    CommandVoided,
    ControlIssued,
    InstantRepeated,
    OutcomeResolved,
    OutcomeUnknown,
    PauseAsked,
    Retried,
    StopLatched,
)
from agent.fleet.vehicle_state import ActionStatus
from tests.fleet.orders import act, order
from tests.fleet.rig import Rig

RARE: list[Entry] = [
    ActionEnded("i1", ActionStatus.FAILED, "why"),
    CommandFailed(3, "why"),
    CommandVoided(3, expired=True),
    ControlIssued(4, Control.CANCEL),
    InstantRepeated("i1"),
    OutcomeResolved("a1", done=True, by="Ada"),
    OutcomeUnknown("a1"),
    PauseAsked(wanted=False),
    Retried("Ada"),
    StopLatched(EmergencyStop.REMOTE),
]


@pytest.mark.parametrize("entry", RARE, ids=lambda entry: entry.kind)
def test_every_entry_is_read_as_it_was_written(entry: Entry) -> None:
    assert entry_from_json(entry_to_json(entry)) == entry


def test_a_whole_mission_is_read_as_it_was_written() -> None:
    rig = Rig()
    rig.order(order(3, actions={0: (act("a1", height=0.5, stationType="floor"),)}))
    rig.order(order(9, order_id="o2"))
    rig.end(rig.now_open, Outcome.FAILED)
    rig.run()
    assert [entry_to_json(entry) for entry in rig.entries()] == rig.journal
    snapshot = rig.mission.snapshot()
    assert entry_from_json(entry_to_json(snapshot)) == snapshot


def test_a_row_says_what_it_is_in_the_standards_words() -> None:
    rig = Rig()
    rig.order(order(2))
    row = json.loads(rig.journal[1])
    assert row["kind"] == "order_accepted"
    assert row["order"]["nodes"][1]["nodePosition"] == {
        "x": 2.0,
        "y": 0.0,
        "mapId": "hall",
        "theta": None,
        "allowedDeviationXY": None,
        "allowedDeviationTheta": None,
    }


@pytest.mark.parametrize("row", [b"", b"{}", b'{"kind": "drive_issued"}', b'{"kind": "other"}'])
def test_a_damaged_row_is_an_error(row: bytes) -> None:
    with pytest.raises(ValidationError):
        entry_from_json(row)


def test_refs_and_orders_are_values() -> None:
    assert NodeRef("n1", 2) == NodeRef("n1", 2)
    assert order(3) == order(3)
    assert isinstance(hash(NodeRef("n1", 2)), int)
    assert order(2).actions == ()
    assert [action.action_id for action in Order("o", 0, order(2, actions={1: (act("a"),)}).nodes, ()).actions] == ["a"]
