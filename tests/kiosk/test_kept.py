"""The file of taps: what a finger did outlives the kiosk, whole or not at all."""

from pathlib import Path

import pytest

from kiosk import inputs
from kiosk.kept import Kept, KeptUnusable, kept_of, read_kept, restore, write_kept
from kiosk.session import next_post
from kiosk.state import AddState
from tests.kiosk.scenes import MORNING, Kiosk


def tapped() -> Kiosk:
    kiosk = Kiosk.new().advised().take(inputs.AgentWentDown(MORNING))
    kiosk.tap_add(0)
    kiosk.tap_not_now(1)
    return kiosk


def test_taps_come_back_with_their_ids_and_what_was_only_shown_does_not(tmp_path: Path) -> None:
    kiosk, file = tapped(), tmp_path / "kiosk" / "taps.json"
    write_kept(file, kept_of(kiosk.state))
    state = restore(Kiosk.new().state, read_kept(file))
    assert [post.id for post in state.posts] == [post.id for post in kiosk.state.posts if post.tap]
    assert [dict(post.body) for post in state.posts] == [dict(post.body) for post in kiosk.state.posts if post.tap]
    assert [(add.request_id, add.state) for add in state.adds] == [(kiosk.state.adds[0].request_id, AddState.KEPT)]


def test_a_not_now_before_the_restart_is_told_at_once_after_it(tmp_path: Path) -> None:
    write_kept(tmp_path / "taps.json", kept_of(tapped().state))
    state = restore(Kiosk.new().state, read_kept(tmp_path / "taps.json"))
    assert all(post.not_before_s == 0 for post in state.posts)
    assert next_post(state, 0.0) is not None


def test_a_request_the_agent_has_is_followed_again_after_the_restart(tmp_path: Path) -> None:
    kiosk = Kiosk.new().advised()
    request_id = kiosk.tap_add(0)
    kiosk.answered(request_id, "pending")
    write_kept(tmp_path / "taps.json", kept_of(kiosk.state))
    again = Kiosk(restore(Kiosk.new().state, read_kept(tmp_path / "taps.json")), 0.0, [])
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
