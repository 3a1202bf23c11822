"""One refused call as it is kept: what comes out of a file is what was put in, and a torn file is told (D1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Problem
from agent.refused.body import HEAD_BYTES_MAX, PROBLEMS_MAX, RefusedBody, head_of
from tests.log.world import NOON

pytestmark = pytest.mark.case("D1")

TEXTS = st.text(max_size=20)


def record(head: bytes, *problems: Problem, withheld: str = "", size_bytes: int | None = None) -> RefusedBody:
    return RefusedBody.of(
        NOON,
        producer="till-1",
        peer="process 7 of user 1000",
        refusal="event_refused",
        problems=problems,
        size_bytes=len(head) if size_bytes is None else size_bytes,
        head=head,
        withheld=withheld,
    )


@given(head=st.binary(max_size=200), problem=st.builds(Problem, TEXTS, TEXTS, TEXTS))
def test_d1_what_is_read_is_what_was_kept_byte_for_byte(head: bytes, problem: Problem) -> None:
    kept = record(head, problem)
    found = RefusedBody.of_file(12, kept.file_content())
    assert found is not None
    assert found.number == 12
    assert found.head == head
    assert found.model_copy(update={"number": 0}) == kept
    assert [str(one) for one in found.problems] == [str(problem)]


@given(head=st.binary(min_size=1, max_size=60), cut=st.integers(0, 500))
def test_d1_a_file_that_a_power_cut_tore_is_no_body(head: bytes, cut: int) -> None:
    content = record(head).file_content()
    assert RefusedBody.of_file(1, content[: max(0, len(content) - 1 - cut)]) is None


def test_d1_a_file_of_another_make_is_no_body() -> None:
    assert RefusedBody.of_file(1, b"") is None
    assert RefusedBody.of_file(1, b"{}\n") is None
    assert RefusedBody.of_file(1, record(b"x").file_content().replace(b'"format":1', b'"format":2')) is None


def test_d1_the_problems_are_bounded_in_number_and_length() -> None:
    kept = record(b"", *[Problem("p" * 9_000, "q" * 9_000, "r" * 9_000)] * 20)
    assert len(kept.problems) == PROBLEMS_MAX
    assert len(kept.file_content()) < 10_000


def test_d1_a_withheld_body_leaves_its_size_and_no_byte() -> None:
    kept = record(b"secret", withheld="card data")
    assert (kept.size_bytes, kept.head_bytes, kept.head) == (6, 0, b"")
    assert b"secret" not in kept.file_content()


def test_d1_a_body_of_up_to_64_kib_is_kept_whole() -> None:
    assert head_of(b"x" * HEAD_BYTES_MAX) == b"x" * HEAD_BYTES_MAX


@pytest.mark.parametrize("mark", [b'"', b",", b":", b"\n"])
def test_d1_the_head_of_a_longer_one_ends_behind_a_whole_value(mark: bytes) -> None:
    body = b"x" * (HEAD_BYTES_MAX - 10) + mark + b"4111111111111111"
    assert head_of(body) == b"x" * (HEAD_BYTES_MAX - 10) + mark


def test_d1_a_longer_one_without_any_values_has_no_head() -> None:
    assert head_of(b"4" * 5_000_000) == b""
