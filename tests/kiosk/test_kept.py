"""The kept file: what a finger did outlives the kiosk, whole or not at all, and so does what it showed last."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kiosk import inputs
from kiosk.kept import BYTES_MAX, Kept, KeptUnusable, kept_of, read_kept, restore, write_kept
from kiosk.kept_screen import AGE_MAX, KeptScreen
from kiosk.session import next_post
from kiosk.state import AddState
from tests.kiosk.scenes import MORNING, PRODUCTS, Kiosk, basket, offer, offered


def tapped() -> Kiosk:
    kiosk = Kiosk.new().advised().take(inputs.AgentWentDown(MORNING))
    kiosk.tap_add(0)
    kiosk.tap_not_now(1)
    return kiosk


def test_taps_come_back_with_their_ids_and_what_was_only_shown_does_not(tmp_path: Path) -> None:
    kiosk, file = tapped(), tmp_path / "kiosk" / "taps.json"
    write_kept(file, kept_of(kiosk.state))
    state = restore(Kiosk.new().state, read_kept(file), MORNING)
    assert [post.id for post in state.posts] == [post.id for post in kiosk.state.posts if post.tap]
    assert [dict(post.body) for post in state.posts] == [dict(post.body) for post in kiosk.state.posts if post.tap]
    assert [(add.request_id, add.state) for add in state.adds] == [(kiosk.state.adds[0].request_id, AddState.KEPT)]


def test_a_not_now_before_the_restart_is_told_at_once_after_it(tmp_path: Path) -> None:
    write_kept(tmp_path / "taps.json", kept_of(tapped().state))
    state = restore(Kiosk.new().state, read_kept(tmp_path / "taps.json"), MORNING)
    assert all(post.not_before_s == 0 for post in state.posts)
    assert next_post(state, 0.0) is not None


def test_a_request_the_agent_has_is_followed_again_after_the_restart(tmp_path: Path) -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    kiosk.answered(request_id, "pending")
    write_kept(tmp_path / "taps.json", kept_of(kiosk.state))
    again = Kiosk(restore(Kiosk.new().state, read_kept(tmp_path / "taps.json"), MORNING), 0.0, [])
    again.take(inputs.AgentCameUp())
    assert [getattr(effect, "request_id", "") for effect in again.effects] == [request_id]


def test_what_has_ended_is_not_kept() -> None:
    kiosk = Kiosk.new().advised()
    kiosk.answered(kiosk.tap_add(0), "done")
    assert kept_of(kiosk.state).adds == ()


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 2, "posts": [], "adds": []}', b"\xff\x00", b"[]"])
def test_a_file_that_cannot_be_read_is_laid_aside(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "taps.json"
    file.write_bytes(content)
    assert read_kept(file) == Kept()
    assert (tmp_path / "taps.json.unreadable").read_bytes() == content


def test_no_file_means_no_taps(tmp_path: Path) -> None:
    assert read_kept(tmp_path / "none.json") == Kept()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "kiosk").write_text("a file", encoding="utf-8")
    with pytest.raises(KeptUnusable, match="cannot write"):
        write_kept(tmp_path / "kiosk" / "taps.json", Kept())


def with_screen(kiosk: Kiosk) -> Kept:
    return replace(kept_of(kiosk.state), screen=KeptScreen.of(kiosk.state, MORNING))


def again(file: Path, kept: Kept, slots: int = 4) -> Kiosk:
    """A new kiosk on the file of one before, three minutes later."""
    write_kept(file, kept)
    return Kiosk(restore(Kiosk.new(slots).state, read_kept(file), MORNING + timedelta(minutes=3)), 100.0, [])


def test_basket_and_cards_come_back_marked_with_their_time_and_take_taps(tmp_path: Path) -> None:
    before = Kiosk.new().advised().take(inputs.ProductsSeen((offered("101", offer("1.99")),)))
    kiosk = again(tmp_path / "taps.json", with_screen(before))
    assert kiosk.state.as_of == MORNING
    assert kiosk.state.basket == before.state.basket
    assert kiosk.shown() == before.shown()
    assert kiosk.state.products["101"] == before.state.products["101"]
    kiosk.take(inputs.AgentWentDown(MORNING), after_s=1)
    kiosk.tap_add(0)
    assert [add.state for add in kiosk.state.adds] == [AddState.KEPT]


def test_the_tills_word_makes_it_current_and_the_same_basket_keeps_its_cards(tmp_path: Path) -> None:
    kiosk = again(tmp_path / "taps.json", with_screen(Kiosk.new().advised()))
    shown = kiosk.shown()
    kiosk.take(inputs.AgentCameUp(), inputs.BasketSeen(basket(1)))
    assert kiosk.state.as_of is None
    assert kiosk.shown() == shown
    kiosk.take(inputs.BasketSeen(basket(2, basket_id="b-2")))
    assert kiosk.shown() == [None] * 4


def test_a_card_that_was_asked_for_is_busy_again_until_the_till_answers(tmp_path: Path) -> None:
    before = tapped()
    kiosk = again(tmp_path / "taps.json", with_screen(before))
    assert kiosk.state.slots[0].request_id == before.state.adds[0].request_id
    assert kiosk.shown()[1] is None, "what was hidden stays away"
    ended = replace(with_screen(before), posts=(), adds=())
    assert again(tmp_path / "taps.json", ended).shown()[0] is None


def test_a_smaller_screen_takes_the_cards_it_has_room_for(tmp_path: Path) -> None:
    assert again(tmp_path / "taps.json", with_screen(Kiosk.new(5).advised()), slots=3).shown() == ["101", "102", "103"]


def test_a_screen_of_another_shift_or_of_the_future_is_not_shown(tmp_path: Path) -> None:
    write_kept(tmp_path / "taps.json", with_screen(Kiosk.new().advised()))
    for at in (MORNING + AGE_MAX + timedelta(seconds=1), MORNING - timedelta(seconds=1)):
        assert restore(Kiosk.new().state, read_kept(tmp_path / "taps.json"), at).basket is None


def test_no_customer_is_kept(tmp_path: Path) -> None:
    kiosk = Kiosk.new().take(inputs.BasketSeen(basket(1, customer_id="p1:0123456789abcdef0123456789abcdef")))
    write_kept(tmp_path / "taps.json", with_screen(kiosk))
    assert b"0123456789abcdef" not in (tmp_path / "taps.json").read_bytes()


def test_a_damaged_screen_starts_blank_says_so_and_costs_no_tap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "taps.json"
    write_kept(file, with_screen(tapped()))
    document = json.loads(file.read_bytes())
    document["screen"]["basket"]["items"] = "no list"
    file.write_text(json.dumps(document), encoding="utf-8")
    kept = read_kept(file)
    assert (kept.screen, len(kept.adds)) == (None, 1)
    assert "the screen cannot be read" in caplog.text


def test_a_basket_too_large_to_keep_costs_the_screen_and_no_tap(tmp_path: Path) -> None:
    kiosk = tapped()
    long = [line.model_copy(update={"description": "x" * BYTES_MAX}) for line in basket(1, 2).items]
    kiosk.state = replace(kiosk.state, basket=basket(1).model_copy(update={"items": tuple(long)}))
    write_kept(tmp_path / "taps.json", with_screen(kiosk))
    kept = read_kept(tmp_path / "taps.json")
    assert (kept.screen, len(kept.adds)) == (None, 1)


def test_only_what_is_seen_is_compared_so_that_a_quiet_screen_is_not_written_again() -> None:
    kiosk = Kiosk.new().advised()
    screen = KeptScreen.of(kiosk.state, MORNING)
    assert KeptScreen.of(kiosk.state, MORNING + timedelta(hours=1)).shows_as(screen)
    kiosk.take(inputs.ProductsSeen((PRODUCTS["101"].model_copy(update={"price": "0.99"}),)))
    assert not KeptScreen.of(kiosk.state, MORNING).shows_as(screen)
