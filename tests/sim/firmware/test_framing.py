"""Section 1 and 2: what is a frame, and what is dropped and counted."""

from random import Random

import pytest

from tests.sim.firmware.line_time import Bridge
from tests.sim.firmware.wire import FLAG, encode, unnumbered

PING = unnumbered(0xF3, b"ping \x7e\x7d\x00")


def pong(bridge: Bridge) -> int:
    return sum(frame.control == b"\xf3" for frame in bridge.frames)


def test_a_frame_may_come_by_the_octet() -> None:
    bridge = Bridge()
    for octet in encode(PING):
        bridge.line(bytes([octet]))
    assert bridge.frames[-1].info == b"ping \x7e\x7d\x00"


def test_one_flag_or_many_stand_between_two_frames() -> None:
    bridge = Bridge()
    bridge.line(encode(PING) + encode(PING)[1:] + FLAG * 5 + encode(PING))
    assert pong(bridge) == 3
    assert bridge.counts() == {"frames": 3, "runts": 0, "giants": 0, "damaged": 0, "aborted": 0, "unknown": 0}


def test_octets_before_the_first_flag_are_no_frame() -> None:
    bridge = Bridge()
    bridge.line(b"no frame yet" + encode(PING))
    assert bridge.counts()["frames"] == 1
    assert sum(bridge.counts().values()) == 1


def test_any_escaped_octet_is_undone() -> None:
    bridge = Bridge()
    bridge.line(FLAG + b"".join(bytes([0x7D, octet ^ 0x20]) for octet in encode(b"\x03\xf3abc")[1:-1]) + FLAG)
    assert bridge.frames[-1].info == b"abc"


@pytest.mark.parametrize(
    ("octets", "counted"),
    [
        (b"\x7e12345\x7e", "runts"),
        (FLAG + b"x" * 136 + FLAG, "giants"),
        (FLAG + b"x" * 5000 + FLAG, "giants"),
        (encode(PING)[:-3] + b"\x00" + encode(PING)[-2:], "damaged"),
        (encode(PING)[:-1] + b"\x7d\x7e", "aborted"),
        (FLAG + b"\x7d\x7e", "aborted"),
        (encode(unnumbered(0x03, b"\xe0", lane=5)), "unknown"),
        (encode(unnumbered(0x03, b"\xe0", lane=31)), "unknown"),
        (encode(b"\x02\xf3"), "unknown"),
        (encode(unnumbered(0x97)), "unknown"),
        (encode(unnumbered(0x7F, b"SABME has no information")), "unknown"),
        (encode(unnumbered(0xF3, b"echo", sense=0)), "unknown"),
        (encode(unnumbered(0xF3, b"x" * 129)), "unknown"),
        (encode(b"\x07\x00"), "unknown"),
        (encode(b"\x05\x01\x00\x00"), "unknown"),
        (encode(b"\x07\x01\x00"), "unknown"),
        (encode(unnumbered(0x03, b"\xe3\x01", lane=30)), "unknown"),
        (encode(unnumbered(0x03, b"\xe3\x01\x00\x00", lane=30)), "unknown"),
        (encode(unnumbered(0x03, b"\xe1\x00\x00\x01", lane=30)), "unknown"),
        (encode(unnumbered(0x03, b"", lane=30)), "unknown"),
        (encode(unnumbered(0x03, b"\xe1\x01\x00\x01", lane=30, sense=0)), "unknown"),
    ],
)
def test_what_is_no_frame_is_dropped_counted_and_never_answered(octets: bytes, counted: str) -> None:
    bridge = Bridge()
    before = len(bridge.frames)
    bridge.line(octets)
    assert len(bridge.frames) == before
    assert {name for name, count in bridge.counts().items() if count and name != "frames"} == {counted}
    bridge.line(encode(PING))
    assert pong(bridge) == 1


def test_the_longest_frame_is_taken_and_sent() -> None:
    bridge = Bridge()
    (answer,) = bridge.send(unnumbered(0xF3, b"\x7e" * 128))
    assert answer.info == b"\x7e" * 128


def test_a_test_is_answered_as_it_was_polled_and_while_closed() -> None:
    bridge = Bridge()
    (answer,) = bridge.send(unnumbered(0xE3, b"as sent"))
    assert (answer.lane, answer.sense, answer.control, answer.info) == (0, 1, b"\xe3", b"as sent")


def test_noise_between_frames_costs_at_most_the_frame_beside_it() -> None:
    bridge = Bridge()
    random = Random(4)
    for _ in range(2000):
        bridge.line(random.randbytes(random.randrange(40)) + FLAG + encode(PING))
    assert pong(bridge) == 2000
