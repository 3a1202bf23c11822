"""The messages between the two processes: bit for bit there and back, and nothing that is no message gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.socket_messages import (
    MESSAGE_OCTETS_MAX,
    Counted,
    Feed,
    Goodbye,
    Hello,
    Message,
    MessageReader,
    MessagesBroken,
    NotTaken,
    Release,
    Stop,
    Stopping,
    Submit,
    Taken,
    Told,
    Welcome,
    pack,
)

MESSAGES: list[Message] = [
    Hello(1, b"agv-1"),
    Submit(65535, 0xFFFFFFFF, 1 << 62, 7, bytes(32)),
    Stop(65535, 4),
    Release(1),
    Feed(-1),
    Welcome(115200, b"/dev/ttyUSB0"),
    Goodbye(b"why"),
    Told(11, 1 << 50, 255, 65535, 0xFFFFFFFF, bytes(128)),
    Taken(1),
    NotTaken(5, 1),
    Stopping(1, 2),
    Counted(bytes(8)),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    assert list(MessageReader().feed(pack(message))) == [message]


@given(st.lists(st.sampled_from(MESSAGES)), st.integers(1, 40))
def test_portions_do_not_matter(messages: list[Message], portion: int) -> None:
    octets = b"".join(map(pack, messages))
    reader = MessageReader()
    portions = [octets[at : at + portion] for at in range(0, len(octets), portion)]
    assert [message for each in portions for message in reader.feed(each)] == messages


@given(st.binary(max_size=600))
def test_garbage_is_a_message_or_refused_and_never_kept_beyond_one_message(octets: bytes) -> None:
    reader = MessageReader()
    try:
        list(reader.feed(octets))
    except MessagesBroken:
        return
    assert len(reader._unread) <= MESSAGE_OCTETS_MAX + 2


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"\x00\x00", "0 octets"),
        (b"\xff\xff", "65535 octets"),
        (b"\x01\x02\x99", "513 octets"),
        (b"\x01\x00\x99", "kind 99"),
        (b"\x02\x00\x11\x01", "not its length"),
        (b"\x04\x00\x11\x01\x00\x00", "not its length"),
        (b"\x43\x00\x01\x01" + bytes(64 + 1), "not its length"),
    ],
    ids=["empty", "giant", "longer than any", "unknown", "short", "long", "octets too many"],
)
def test_what_is_no_message_is_refused_as_early_as_can_be(octets: bytes, why: str) -> None:
    with pytest.raises(MessagesBroken, match=why):
        list(MessageReader().feed(octets))


def test_a_long_sentence_is_cut() -> None:
    (message,) = MessageReader().feed(pack(Goodbye(b"x" * 1000)))
    assert message == Goodbye(b"x" * 480)
