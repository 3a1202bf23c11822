"""The line's pace in line time: pure, exact, and the same however often somebody looks."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.line import LatencyTimer, Wire

BAUD = 115_200
OCTET_NS = 86_806
"""Ten bits, rounded up."""

MS = 1_000_000


def test_an_octet_is_through_after_its_ten_bits_and_not_before() -> None:
    wire = Wire(BAUD)
    wire.feed(b"ab", 1000)
    assert wire.next_ns() == 1000 + OCTET_NS
    assert wire.take(1000 + OCTET_NS - 1) == b""
    assert wire.take(1000 + OCTET_NS) == b"a"
    assert wire.take(1000 + 2 * OCTET_NS) == b"b"
    assert (wire.next_ns(), wire.empty_ns()) == (None, None)


@pytest.mark.parametrize("baud", [9_600, 115_200, 230_400, 921_600])
def test_a_second_carries_a_tenth_of_the_baud_rate_in_octets(baud: int) -> None:
    wire = Wire(baud)
    carried = 0
    for at_ms in range(1000):
        wire.feed(bytes(wire.room), at_ms * MS)
        carried += len(wire.take(at_ms * MS))
    assert abs(carried - baud * 999 // 10_000) <= 1


@given(st.lists(st.tuples(st.integers(0, 3 * MS), st.binary(max_size=40)), max_size=40), st.integers(0, 2**32))
def test_order_and_time_do_not_depend_on_who_looks_when(pieces: list[tuple[int, bytes]], seed: int) -> None:
    def ends(looks: Random | None) -> list[tuple[int, int]]:
        wire, now_ns, found = Wire(BAUD), 0, []
        for pause_ns, octets in pieces:
            now_ns += pause_ns
            if looks is not None and pause_ns:
                wire.next_ns()
                wire.feed(b"", now_ns - looks.randrange(pause_ns))
            wire.feed(octets, now_ns)
            found.append((now_ns, wire.empty_ns() or now_ns))
        assert wire.take(now_ns + 10**12) == b"".join(octets for _, octets in pieces)
        return found

    assert ends(None) == ends(Random(seed))


def test_a_pause_is_not_made_up_for() -> None:
    wire = Wire(BAUD)
    wire.feed(b"a", 0)
    wire.feed(b"b", 10 * MS)
    assert wire.take(10 * MS) == b"a"
    assert wire.take(10 * MS + OCTET_NS) == b"b"


def test_a_flush_drops_what_has_not_begun() -> None:
    wire = Wire(BAUD)
    wire.feed(b"abcdef", 0)
    assert wire.flush(OCTET_NS + 10) == 4
    assert wire.take(10 * OCTET_NS) == b"ab"
    wire.feed(b"g", 20 * OCTET_NS)
    assert wire.flush(20 * OCTET_NS) == 1
    assert wire.flush(30 * OCTET_NS) == 0


def test_the_buffer_has_room_for_4096_octets() -> None:
    wire = Wire(BAUD)
    wire.feed(bytes(4096), 0)
    assert wire.room == 0
    with pytest.raises(ValueError, match="1 octets for a buffer with room for 0"):
        wire.feed(b"x", 0)
    wire.take(OCTET_NS)
    assert wire.room == 1


def test_a_stall_delays_and_loses_nothing() -> None:
    wire = Wire(BAUD)
    wire.feed(b"ab", 0)
    wire.stall(5 * MS, OCTET_NS)
    assert wire.take(5 * MS + OCTET_NS) == b"a"
    assert wire.take(5 * MS + 2 * OCTET_NS) == b"b"
    wire.stall(5 * MS, 20 * MS)
    wire.feed(b"c", 21 * MS)
    assert wire.next_ns() == 25 * MS + OCTET_NS


def test_a_pulled_plug_loses_everything() -> None:
    wire = Wire(BAUD)
    wire.feed(b"ab", 0)
    wire.clear()
    assert wire.take(MS) == b""


@pytest.mark.parametrize("latency_ms", [1, 16])
def test_a_usb_adapter_waits_for_a_full_packet_or_its_timer(latency_ms: int) -> None:
    timer = LatencyTimer(latency_ms * MS)
    timer.feed(b"x" * 10, 0)
    assert timer.take(latency_ms * MS - 1) == b""
    assert timer.take(latency_ms * MS) == b"x" * 10
    timer.feed(b"y" * 130, 100 * MS)
    assert timer.take(100 * MS) == b"y" * 124
    assert timer.next_ns() == (100 + latency_ms) * MS
    timer.clear()
    assert timer.next_ns() is None


def test_without_a_latency_timer_octets_pass_at_once() -> None:
    timer = LatencyTimer(0)
    timer.feed(b"x", 7)
    assert timer.take(7) == b"x"


def test_a_line_needs_a_rate() -> None:
    with pytest.raises(ValueError, match="baud 0"):
        Wire(0)
