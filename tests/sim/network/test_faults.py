"""Faults strike the packet that they are meant for, as often as they should, and leave all else as it is."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.network.faults import Meddler, PacketFaults, Parcel, PubackFaults, Then, Trap
from sim.network.packets import PacketType
from tests.sim.network.test_packets import packet

PUBLISHES = [packet(PacketType.PUBLISH, b"payload %d" % number) for number in range(5)]
PUBACKS = [packet(PacketType.PUBACK, number.to_bytes(2)) for number in range(1_000)]


def meddle(faults: PacketFaults, stream: bytes, chunk: int, seed: int = 1) -> list[Parcel | Then]:
    meddler = Meddler(faults, Random(seed))
    chunks = [stream[begin : begin + chunk] for begin in range(0, len(stream), chunk)]
    return [what for octets in chunks for what in meddler.pass_on(octets)]


def octets_of(parcels: list[Parcel | Then]) -> bytes:
    return b"".join(parcel.octets for parcel in parcels if isinstance(parcel, Parcel))


@given(st.integers(1, 200))
def test_without_a_fault_every_byte_passes(chunk: int) -> None:
    stream = b"".join(PUBLISHES)
    assert octets_of(meddle(PacketFaults(), stream, chunk)) == stream


@given(st.integers(1, 5), st.none() | st.integers(0, 30), st.integers(1, 60))
def test_a_trap_springs_once_at_its_packet_and_octet(nth: int, octets: int | None, chunk: int) -> None:
    faults = PacketFaults()
    faults.set_trap(Trap(PacketType.PUBLISH, Then.RESET, nth, octets))
    stream = packet(PacketType.CONNECT, b"hello") + b"".join(PUBLISHES)
    found = meddle(faults, stream, chunk)
    at = found.index(Then.RESET)
    size = len(PUBLISHES[0])
    expected = stream.index(PUBLISHES[nth - 1]) + min(size, size if octets is None else octets)
    assert len(octets_of(found[:at])) == expected
    assert octets_of(found) == stream
    assert (faults.sprung, faults.idle) == (1, True)


@given(st.integers(0, 12), st.integers(1, 60))
def test_a_flip_changes_one_bit_of_one_packet(octet: int, chunk: int) -> None:
    faults = PacketFaults()
    faults.set_trap(Trap(PacketType.PUBLISH, Then.FLIP, 2, octet))
    stream = b"".join(PUBLISHES)
    found = octets_of(meddle(faults, stream, chunk))
    at = len(PUBLISHES[0]) + min(octet, len(PUBLISHES[1]) - 1)
    assert found == stream[:at] + bytes([stream[at] ^ 1]) + stream[at + 1 :]


@pytest.mark.parametrize("chunk", [1, 3, 4, 1_000])
def test_pubacks_are_lost_late_or_doubled_as_often_as_asked_and_nothing_else_is(chunk: int) -> None:
    faults = PacketFaults()
    faults.pubacks = PubackFaults(lost=0.2, late=0.1, doubled=0.1, late_s=0.5)
    between = packet(PacketType.PUBLISH, b"x")
    found = meddle(faults, b"".join(puback + between for puback in PUBACKS), chunk)
    assert 150 < faults.pubacks_lost < 250
    assert 60 < faults.pubacks_late < 140
    assert 60 < faults.pubacks_doubled < 140
    assert sum(isinstance(parcel, Parcel) and parcel.late_s == 0.5 for parcel in found) == faults.pubacks_late
    octets = octets_of(found)
    assert octets.count(between) == len(PUBACKS)
    arrived = (len(octets) - len(PUBACKS) * len(between)) // 4
    assert arrived == len(PUBACKS) - faults.pubacks_lost + faults.pubacks_doubled


def test_the_same_seed_strikes_the_same_pubacks() -> None:
    def arrived(seed: int) -> bytes:
        faults = PacketFaults()
        faults.pubacks = PubackFaults(lost=0.2)
        return octets_of(meddle(faults, b"".join(PUBACKS), 7, seed))

    assert arrived(1) == arrived(1) != arrived(2)


def test_faults_that_are_switched_on_in_the_middle_of_a_puback_leave_it_whole() -> None:
    faults = PacketFaults()
    meddler = Meddler(faults, Random(1))
    before = octets_of(list(meddler.pass_on(PUBACKS[0][:2])))
    faults.pubacks = PubackFaults(lost=1.0)
    assert before + octets_of(list(meddler.pass_on(PUBACKS[0][2:] + PUBACKS[1]))) == PUBACKS[0]


@pytest.mark.parametrize("wrong", [{"lost": -0.1}, {"lost": 0.6, "late": 0.6}, {"late_s": -1}])
def test_parts_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        PubackFaults(**wrong)
