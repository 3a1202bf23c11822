"""Add, Not now and Undo: each tap counts once, wherever the agent and the till are."""

import pytest

from kiosk import inputs
from kiosk.effects import Follow
from kiosk.session import next_post
from kiosk.state import AddState, Note
from kiosk.taps import SETTLE_S, UNDO_S
from tests.kiosk.scenes import MORNING, PRODUCTS, Kiosk, basket, decision

REQUESTS = "/v1/tills/till-3/requests"


def requests(kiosk: Kiosk) -> list[dict[str, object]]:
    return [dict(post.body) for post in kiosk.state.posts if post.path == REQUESTS]


def taps(kiosk: Kiosk, reaction: str) -> list[object]:
    return [post.body["sku"] for post in kiosk.state.posts if post.body.get("reaction") == reaction]


def test_add_asks_the_till_once_and_tells_the_engine_which_request_it_was() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(1)
    kiosk.take(inputs.AddTapped(1, "102"))
    (request,) = requests(kiosk)
    assert request == {
        "request_id": request_id,
        "basket_id": "b-1",
        "kind": "add_item",
        "sku": "102",
        "quantity": "1",
    }
    (accepted,) = [post.body for post in kiosk.state.posts if post.body.get("reaction") == "accepted"]
    assert (accepted["sku"], accepted["slot"], accepted["request_id"]) == ("102", 1, request_id)


def test_a_tap_goes_before_everything_that_was_only_shown() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    first = next_post(kiosk.state, kiosk.now_s)
    assert first is not None
    assert first.id == request_id


def test_a_tap_on_a_card_that_has_just_changed_is_not_what_the_finger_meant() -> None:
    kiosk = Kiosk.new().advised(1, "101")
    kiosk.take(inputs.BasketSeen(basket(2, 4)), inputs.DecisionSeen(2, decision("102")))
    kiosk.take(inputs.AddTapped(0, "101"), after_s=SETTLE_S * 2)  # it was aimed at the card before
    kiosk.take(inputs.BasketSeen(basket(3, 3)), inputs.DecisionSeen(3, decision("103")))
    kiosk.take(inputs.AddTapped(0, "103"), after_s=SETTLE_S / 2)
    assert requests(kiosk) == []
    kiosk.take(inputs.AddTapped(0, "103"), after_s=SETTLE_S)
    assert [request["sku"] for request in requests(kiosk)] == ["103"]


def test_pending_done_and_refused_are_followed_to_their_end() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    kiosk.answered(request_id, "pending")
    assert kiosk.effects[-1] == Follow(request_id)
    assert [add.state for add in kiosk.state.adds] == [AddState.PENDING]
    kiosk.answered(request_id, "done")
    assert [add.state for add in kiosk.state.adds] == [AddState.DONE]
    assert kiosk.state.notice is not None
    assert kiosk.state.notice.note is Note.ADDED


def test_a_refusal_is_shown_on_the_card_for_a_while_and_the_item_stays_away() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102", "103", "104", "105")
    kiosk.answered(kiosk.tap_add(0), "refused", "weigh it first")
    assert (kiosk.state.adds[0].state, kiosk.state.adds[0].reason) == (AddState.REFUSED, "weigh it first")
    assert kiosk.state.undo is None
    kiosk.take(inputs.Ticked(MORNING), after_s=3)
    assert kiosk.shown()[0] == "101"
    kiosk.take(inputs.Ticked(MORNING), after_s=4)
    assert kiosk.shown() == ["105", "102", "103", "104"]


def test_a_till_that_does_not_answer_is_told_from_one_that_refuses() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    kiosk.answered(request_id, "pending").take(inputs.RequestLost(request_id))
    assert kiosk.state.adds[0].expired


def test_an_end_counts_once_whatever_comes_after() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    kiosk.answered(request_id, "done").answered(request_id, "refused", "late").take(inputs.RequestLost(request_id))
    assert kiosk.state.adds[0].state is AddState.DONE


def test_a_basket_that_moved_on_refuses_the_tap() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    kiosk.take(inputs.PostTaken(request_id), inputs.PostRefused(request_id, "basket_moved", "another basket is open"))
    assert kiosk.state.adds[0].state is AddState.REFUSED
    assert requests(kiosk) == []


def test_not_now_hides_at_once_and_is_told_when_it_can_no_longer_be_undone() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102", "103", "104", "105")
    kiosk.tap_not_now(1)
    held = [post for post in kiosk.state.posts if post.body.get("reaction") == "dismissed"]
    assert [post.not_before_s for post in held] == [kiosk.now_s + UNDO_S]
    kiosk.take(inputs.Ticked(MORNING), after_s=UNDO_S)
    assert kiosk.shown() == ["101", "105", "103", "104"]
    assert taps(kiosk, "dismissed") == ["102"]


def test_a_dismissed_item_stays_away_for_the_rest_of_the_basket() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102")
    kiosk.tap_not_now(0)
    kiosk.take(inputs.Ticked(MORNING), after_s=UNDO_S)
    kiosk.take(inputs.BasketSeen(basket(2, 4)), inputs.DecisionSeen(2, decision("101", "103")))
    assert "101" not in kiosk.shown()
    kiosk.take(inputs.BasketSeen(basket(3, 1, basket_id="b-2")), inputs.DecisionSeen(3, decision("101")))
    assert "101" in kiosk.shown()


def test_undo_of_not_now_brings_the_card_back_and_nobody_is_told() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102")
    kiosk.tap_not_now(0)
    kiosk.take(inputs.UndoTapped(), after_s=UNDO_S - 0.1)
    assert kiosk.shown()[:2] == ["101", "102"]
    assert not kiosk.state.slots[0].busy
    assert taps(kiosk, "dismissed") == []


def test_undo_of_an_add_that_has_not_left_takes_it_back_without_a_trace() -> None:
    kiosk = Kiosk.new().advised().take(inputs.AgentWentDown(MORNING))
    kiosk.tap_add(0)
    assert kiosk.state.adds[0].state is AddState.KEPT
    kiosk.take(inputs.UndoTapped(), after_s=1)
    assert (requests(kiosk), taps(kiosk, "accepted"), kiosk.state.adds) == ([], [], ())
    assert not kiosk.state.slots[0].busy


def test_undo_of_an_add_on_its_way_asks_the_till_to_take_the_item_out() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    kiosk.take(inputs.PostTaken(request_id), inputs.UndoTapped())
    assert [(request["kind"], request["sku"]) for request in requests(kiosk)] == [
        ("add_item", "101"),
        ("remove_item", "101"),
    ]


def test_after_five_seconds_there_is_nothing_to_undo() -> None:
    kiosk = Kiosk.new().advised()
    kiosk.answered(kiosk.tap_add(0), "done").take(inputs.UndoTapped(), after_s=UNDO_S)
    assert all(request["kind"] == "add_item" for request in requests(kiosk))
    assert kiosk.take(inputs.Ticked(MORNING)).state.undo is None


def test_taps_while_the_agent_is_down_are_kept_with_their_ids_and_sent_in_order() -> None:
    kiosk = Kiosk.new().advised().take(inputs.AgentWentDown(MORNING))
    ids = [kiosk.tap_add(0), kiosk.tap_add(2)]
    kiosk.take(inputs.AgentCameUp())
    sent = []
    while (post := next_post(kiosk.state, kiosk.now_s)) is not None and post.tap:
        kiosk.take(inputs.PostTaken(post.id), inputs.PostDone(post.id))
        sent.append(post.id)
    assert [one for one in sent if one in ids] == ids


def test_a_post_that_came_back_is_sent_again_under_the_same_id() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    kiosk.take(inputs.PostTaken(request_id), inputs.PostReturned(request_id))
    again = next_post(kiosk.state, kiosk.now_s)
    assert again is not None
    assert again.id == request_id


def test_adding_without_an_open_basket_says_why_not() -> None:
    kiosk = Kiosk.new().take(inputs.AgentCameUp(), inputs.LookOpened(), inputs.LetterTapped("mi"))
    kiosk.take(inputs.Found("mi", (PRODUCTS["101"],)), inputs.FoundTapped("101"))
    assert requests(kiosk) == []
    assert kiosk.state.notice is not None
    assert kiosk.state.notice.note is Note.NO_BASKET


@pytest.mark.parametrize("slot", [-1, 3, 99])
def test_a_tap_on_an_empty_or_unknown_slot_does_nothing(slot: int) -> None:
    kiosk = Kiosk.new().advised(1, "101")
    before = kiosk.state.posts
    kiosk.take(inputs.AddTapped(slot, "101"), inputs.NotNowTapped(slot, "101"))
    assert kiosk.state.posts == before
