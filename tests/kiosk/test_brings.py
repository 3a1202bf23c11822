"""Have it brought: offered where a vehicle is, once the till has the item, and each tap counts once."""

from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from kiosk import inputs
from kiosk.kept import kept_of, read_kept, restore, write_kept
from kiosk.picture import BringKind, Painter, Picture
from kiosk.session import next_post
from kiosk.state import POSTS_MAX, Note
from kiosk.suggestions import BRING_OFFERED_S, DONE_SHOWN_S, REFUSED_SHOWN_S
from kiosk.taps import SETTLE_S
from kiosk.words import Words
from tests.kiosk.scenes import MORNING, Kiosk, basket, status

PATH = "/v1/tills/till-3/brings"


def brings(kiosk: Kiosk) -> list[dict[str, object]]:
    return [dict(post.body) for post in kiosk.state.posts if post.path == PATH]


def painted(kiosk: Kiosk) -> Picture:
    return Painter(Words(), UTC).paint(kiosk.state)


def kinds(kiosk: Kiosk) -> list[BringKind]:
    return [card.bring for card in painted(kiosk).cards]


def offered() -> Kiosk:
    """Butter in the basket, in a shop with a vehicle."""
    kiosk = Kiosk.new().advised().with_vehicle()
    return kiosk.answered(kiosk.tap_add(0), "done")


def test_it_is_offered_once_the_till_has_the_item_and_only_where_a_vehicle_is() -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    assert not any(kinds(kiosk.with_vehicle()))
    kiosk.answered(request_id, "pending")
    assert not any(kinds(kiosk))
    kiosk.answered(request_id, "done")
    assert kinds(kiosk)[0] is BringKind.OFFERED
    assert not any(kinds(kiosk.take(inputs.StatusSeen(status()))))


def test_an_item_that_the_till_refused_cannot_be_brought() -> None:
    kiosk = Kiosk.new().advised().with_vehicle()
    kiosk.answered(kiosk.tap_add(0), "refused", "weigh it first")
    kiosk.take(inputs.BringTapped(0, "101"), after_s=1)
    assert (kinds(kiosk)[0], brings(kiosk)) == (BringKind.NONE, [])


def test_a_tap_asks_once_and_says_so_until_the_agent_has_it() -> None:
    kiosk = Kiosk.new().advised().with_vehicle()
    request_id = kiosk.tap_bring(0)
    kiosk.take(inputs.BringTapped(0, "101"), after_s=1)
    assert brings(kiosk) == [{"request_id": request_id, "basket_id": "b-1", "sku": "101"}]
    assert kinds(kiosk)[0] is BringKind.ASKED
    kiosk.take(inputs.PostTaken(request_id), inputs.PostDone(request_id))
    assert (kinds(kiosk)[0], brings(kiosk)) == (BringKind.SENT, [])
    kiosk.take(inputs.BringTapped(0, "101"), after_s=1)
    assert brings(kiosk) == []


def test_the_second_tap_of_a_double_tap_on_add_asks_for_nothing() -> None:
    kiosk = offered().take(inputs.BringTapped(0, "101"), after_s=SETTLE_S / 2)
    assert brings(kiosk) == []
    kiosk.take(inputs.BringTapped(0, "102"), after_s=1)
    assert brings(kiosk) == [], "it was aimed at another card"


@pytest.mark.parametrize("slot", [-1, 1, 99])
def test_a_tap_on_a_slot_that_offers_nothing_does_nothing(slot: int) -> None:
    kiosk = offered().take(inputs.BringTapped(slot, "102"), after_s=1)
    assert brings(kiosk) == []


def test_the_offer_stays_long_enough_to_ask_the_customer_and_the_answer_as_long_as_others() -> None:
    kiosk = offered().take(inputs.Ticked(MORNING), after_s=DONE_SHOWN_S + 1)
    assert kinds(kiosk)[0] is BringKind.OFFERED
    kiosk.take(inputs.Ticked(MORNING), after_s=BRING_OFFERED_S)
    assert kiosk.shown()[0] != "101"
    request_id = kiosk.tap_bring(1)
    kiosk.take(inputs.Ticked(MORNING), after_s=60)
    assert kinds(kiosk)[1] is BringKind.ASKED
    kiosk.take(inputs.PostTaken(request_id), inputs.PostDone(request_id))
    kiosk.take(inputs.Ticked(MORNING), after_s=DONE_SHOWN_S)
    assert kiosk.shown()[1] != "102"


def test_what_was_asked_for_can_no_longer_be_undone() -> None:
    kiosk = offered()
    assert kiosk.state.undo is not None
    kiosk.take(inputs.BringTapped(0, "101"), after_s=1).take(inputs.UndoTapped())
    assert (kinds(kiosk)[0], len(brings(kiosk))) == (BringKind.ASKED, 1)


def test_an_undo_of_another_add_stays() -> None:
    kiosk = offered()
    kiosk.answered(kiosk.tap_add(1), "done").take(inputs.BringTapped(0, "101"), after_s=1)
    assert kiosk.state.undo is not None
    assert kiosk.state.undo.sku == "102"


def test_without_the_agent_it_is_kept_told_as_one_tap_and_sent_under_its_id_when_the_agent_is_back() -> None:
    kiosk = offered().take(inputs.PostTaken("none"), inputs.AgentWentDown(MORNING))
    while (post := next_post(kiosk.state, kiosk.now_s)) is not None:
        kiosk.take(inputs.PostTaken(post.id), inputs.PostDone(post.id))
    kiosk.take(inputs.BringTapped(0, "101"), after_s=1)
    (asked,) = brings(kiosk)
    assert (painted(kiosk).cards[0].bring_text, "1 tap kept" in painted(kiosk).status) == ("Kept", True)
    request_id = str(asked["request_id"])
    kiosk.take(inputs.AgentCameUp(), inputs.PostTaken(request_id), inputs.PostReturned(request_id))
    assert next_post(kiosk.state, kiosk.now_s) == kiosk.state.posts[0]
    assert (kinds(kiosk)[0], kiosk.state.posts[0].id) == (BringKind.ASKED, request_id)


def test_a_refusal_is_said_once_and_shown_on_the_card_for_a_while() -> None:
    kiosk = Kiosk.new().advised().with_vehicle()
    request_id = kiosk.tap_bring(0)
    kiosk.take(
        inputs.PostTaken(request_id), inputs.PostRefused(request_id, "no_vehicles", "this store has no vehicles")
    )
    picture = painted(kiosk)
    assert picture.notice == "Salted butter 250 g is not brought: no vehicle here"
    assert (picture.notice_bad, picture.cards[0].bring_text, brings(kiosk)) == (True, "Not brought", [])
    kiosk.take(inputs.Ticked(MORNING), after_s=REFUSED_SHOWN_S - 0.5)
    assert (kinds(kiosk)[0], painted(kiosk).notice) == (BringKind.REFUSED, "")
    assert kiosk.take(inputs.Ticked(MORNING), after_s=1).shown()[0] != "101"


def test_it_outlives_the_kiosk_and_a_refusal_after_the_card_has_gone_is_said(tmp_path: Path) -> None:
    before = Kiosk.new().advised().with_vehicle()
    request_id = before.tap_bring(0)
    write_kept(tmp_path / "taps.json", kept_of(before.state))
    kiosk = Kiosk(restore(Kiosk.new().state, read_kept(tmp_path / "taps.json"), MORNING), 0.0, [])
    assert [body["request_id"] for body in brings(kiosk)] == [request_id]
    kiosk.take(
        inputs.AgentCameUp(),
        inputs.PostTaken(request_id),
        inputs.PostRefused(request_id, "unknown_product", "no product 101"),
    )
    assert kiosk.state.notice is not None
    assert (kiosk.state.notice.note, kiosk.state.notice.subject) == (Note.BRING_REFUSED, "101")
    assert painted(kiosk).notice == "101 is not brought: no product 101"


def test_another_customers_basket_takes_the_card_and_not_the_tap() -> None:
    kiosk = Kiosk.new().advised().with_vehicle()
    kiosk.tap_bring(0)
    kiosk.take(inputs.BasketSeen(basket(1, 1, basket_id="b-2")))
    assert kiosk.shown() == [None] * 4
    assert [body["basket_id"] for body in brings(kiosk)] == ["b-1"]


def test_more_taps_than_can_be_kept_are_refused_with_a_word() -> None:
    kiosk = offered().take(inputs.AgentWentDown(MORNING))
    (tap, *_) = (post for post in kiosk.state.posts if post.tap)
    kiosk.state = replace(kiosk.state, posts=(tap,) * (POSTS_MAX // 2))
    kiosk.take(inputs.BringTapped(0, "101"), after_s=1)
    assert (brings(kiosk), kinds(kiosk)[0]) == ([], BringKind.OFFERED)
    assert kiosk.state.notice is not None
    assert kiosk.state.notice.note is Note.TOO_MANY
