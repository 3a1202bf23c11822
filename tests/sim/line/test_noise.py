"""Faults repeat by seed, come as often as asked for, and do not depend on how octets are cut into portions."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.line import Faults, Noise

OCTETS = Random(1).randbytes(200_000)

SOME = OCTETS[:30_000]

KINDS = [
    Faults(bit_errors=1e-3),
    Faults(drops=1e-3),
    Faults(inserts=1e-3),
    Faults(bursts=1e-4, burst_octets=20),
    Faults(bit_errors=1e-3, drops=1e-3, inserts=1e-3, bursts=1e-3),
]


def noisy(faults: Faults, seed: int, octets: bytes) -> bytes:
    return Noise(faults, Random(seed)).apply(octets)


def test_a_good_line_changes_nothing() -> None:
    noise = Noise(Faults(), Random(1))
    assert noise.apply(OCTETS) == OCTETS
    assert noise.faults_done == 0


@pytest.mark.parametrize("faults", KINDS, ids=str)
def test_faults_repeat_by_seed(faults: Faults) -> None:
    assert noisy(faults, 7, SOME) == noisy(faults, 7, SOME) != noisy(faults, 8, SOME)


@given(cuts=st.lists(st.integers(1, 600), max_size=12), seed=st.integers(0, 1000), kind=st.sampled_from(KINDS))
def test_portions_do_not_matter(cuts: list[int], seed: int, kind: Faults) -> None:
    octets = OCTETS[:2000]
    noise = Noise(kind, Random(seed))
    parts = []
    at = 0
    for cut in cuts:
        parts.append(noise.apply(octets[at : at + cut]))
        at += cut
    parts.append(noise.apply(octets[at:]))
    assert b"".join(parts) == noisy(kind, seed, octets)


def test_bits_go_wrong_as_often_as_asked_for() -> None:
    wrong = sum((a ^ b).bit_count() for a, b in zip(OCTETS, noisy(Faults(bit_errors=1e-3), 3, OCTETS), strict=True))
    assert 1450 < wrong < 1750


def test_octets_are_lost_and_added_as_often_as_asked_for() -> None:
    assert 100 < len(OCTETS) - len(noisy(Faults(drops=1e-3), 3, OCTETS)) < 320
    assert 100 < len(noisy(Faults(inserts=1e-3), 3, OCTETS)) - len(OCTETS) < 320


def test_a_burst_spoils_a_row_of_octets() -> None:
    wrong = [a != b for a, b in zip(OCTETS, noisy(Faults(bursts=1e-4, burst_octets=20), 3, OCTETS), strict=True)]
    first = wrong.index(True)
    assert sum(wrong[first : first + 20]) > 15
    assert 5 * 20 < sum(wrong) < 40 * 20


@pytest.mark.parametrize("name", ["bit_errors", "drops", "inserts", "bursts"])
@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_a_probability_is_one(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} .*: expected a probability"):
        replace(Faults(), **{name: value})  # type: ignore[arg-type]  # one of the float fields


def test_a_burst_has_a_length() -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        Faults(burst_octets=0)
