"""Server-sent events however the bytes are cut, and never without bound."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.sse import MESSAGE_BYTES_MAX, Message, Messages, MessageTooLarge

STREAM = (
    ': hello\n\nevent: basket\nid: 1\ndata: {"a": "ș"}\n\n: still here\n\nevent: basket\r\ndata: x\r\ndata: y\r\n\r\n'
).encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_messages_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    messages = Messages()
    found = [one for first, last in pairwise(places) for one in messages.feed(STREAM[first:last])]
    assert found == [Message("basket", '{"a": "ș"}'), Message("basket", "x\ny")]


def test_a_message_without_an_end_is_refused() -> None:
    messages = Messages()
    half = b"data: " + b"x" * (MESSAGE_BYTES_MAX // 2 + 1) + b"\n"
    assert messages.feed(half) == []
    with pytest.raises(MessageTooLarge):
        messages.feed(half)
