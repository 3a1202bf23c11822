"""The same customer always has the same pseudonym, and nobody without the key can tell whose it is."""

import hmac
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from agent.event_fields import Customer
from agent.private_file import PrivateFileUnusable
from agent.tills.pseudonyms import KEY_FILE, Pseudonyms, RawIdRefused

KEY = bytes(range(32))
OURS = Pseudonyms(KEY)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256))
def test_every_id_becomes_one_pseudonym_that_events_accept(raw_id: str) -> None:
    pseudonym = OURS.pseudonym(raw_id)
    assert TypeAdapter(Customer).validate_python(pseudonym) == pseudonym
    assert Pseudonyms(KEY).pseudonym(raw_id) == pseudonym
    assert Pseudonyms(KEY[::-1]).pseudonym(raw_id) != pseudonym


def test_a_pseudonym_is_the_first_half_of_hmac_sha_256() -> None:
    assert OURS.pseudonym("4711") == "p1:" + hmac.new(KEY, b"4711", sha256).hexdigest()[:32]


@given(st.lists(st.text("0123456789", min_size=1, max_size=12), unique=True, max_size=50))
def test_different_ids_have_different_pseudonyms(raw_ids: list[str]) -> None:
    assert len({OURS.pseudonym(raw_id) for raw_id in raw_ids}) == len(raw_ids)


@pytest.mark.parametrize("raw_id", ["", "x" * 257, "\ud800"])
def test_what_cannot_be_an_id_is_refused_without_repeating_it(raw_id: str) -> None:
    with pytest.raises(RawIdRefused) as refused:
        OURS.pseudonym(raw_id)
    assert "xxx" not in str(refused.value)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = Pseudonyms.open(tmp_path, lambda size: KEY[:size])
    file = tmp_path / KEY_FILE
    assert file.read_bytes() == KEY
    assert file.stat().st_mode & 0o777 == 0o600
    again = Pseudonyms.open(tmp_path, lambda size: b"\xff" * size)
    assert first.pseudonym("4711") == again.pseudonym("4711") == OURS.pseudonym("4711")


def test_without_another_source_the_key_is_random(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, two = Pseudonyms.open(tmp_path / "a"), Pseudonyms.open(tmp_path / "b")
    assert one.pseudonym("4711") != two.pseudonym("4711")


def test_two_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    def other_process_first(size: int) -> bytes:
        Pseudonyms.open(tmp_path, lambda size: b"\x01" * size)
        return b"\x02" * size

    assert Pseudonyms.open(tmp_path, other_process_first).pseudonym("1") == Pseudonyms(b"\x01" * 32).pseudonym("1")


def test_many_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def random_bytes(size: int) -> bytes:
        together.wait(10)
        return secrets.token_bytes(size)

    with ThreadPoolExecutor(4) as starts:
        found = [starts.submit(Pseudonyms.open, tmp_path, random_bytes) for _ in range(4)]
        pseudonyms = {start.result(10).pseudonym("4711") for start in found}
    assert len(pseudonyms) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_truncated_key_is_refused_and_kept(tmp_path: Path, size: int) -> None:
    file = tmp_path / KEY_FILE
    file.write_bytes(b"x" * size)
    file.chmod(0o600)
    with pytest.raises(PrivateFileUnusable, match=f"has {size} bytes instead of 32: restore it"):
        Pseudonyms.open(tmp_path)
    assert file.stat().st_size == size


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Pseudonyms.open(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(PrivateFileUnusable, match=r"mode 644\): chmod 600"):
        Pseudonyms.open(tmp_path)


def test_without_a_folder_there_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(PrivateFileUnusable, match="cannot write"):
        Pseudonyms.open(tmp_path / "missing")
