"""The codec against RFC 1662 written plainly, against zlib and, where it is installed, against an HDLC library."""

import binascii
import importlib
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge._framing import Decoder, encode, fcs
from tests.firmware_bridge.wire_codec import framed, unframed

CONTENT = st.binary(min_size=2, max_size=131)
RESERVED = st.lists(st.sampled_from((0x7D, 0x7E, 0x5D, 0x5E, 0x20, 0)), min_size=2, max_size=131).map(bytes)
ABORT = b"\x7d\x7e"


def decoded(octets: bytes, chunk: int) -> list[bytes]:
    decoder = Decoder()
    return [frame for at in range(0, len(octets), chunk) for frame in decoder.feed(octets[at : at + chunk])]


def test_the_check_value_of_the_standard() -> None:
    assert fcs(b"123456789") == 0xCBF43926


@given(st.binary(max_size=400))
def test_the_fcs_is_the_crc_of_zlib(octets: bytes) -> None:
    assert fcs(octets) == binascii.crc32(octets)


@given(CONTENT | RESERVED)
def test_a_frame_goes_to_the_line_as_the_standard_says(content: bytes) -> None:
    assert encode(content) == framed(content)


@pytest.mark.parametrize("length", [0, 1, 132, 4096])
def test_content_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=rf"{length} octets of content: expected 2\.\.131"):
        encode(bytes(length))


@pytest.mark.parametrize("octet", [0x00, 0x7D, 0x7E])
def test_the_longest_frame_fits(octet: int) -> None:
    content = bytes((octet,)) * 131
    assert len(encode(content)) <= 272
    assert Decoder().feed(encode(content)) == [content]


@given(st.lists(CONTENT | RESERVED, max_size=8), st.integers(1, 600))
def test_frames_come_back_in_whatever_portions_they_come(contents: list[bytes], chunk: int) -> None:
    assert decoded(b"".join(map(encode, contents)), chunk) == contents


@given(st.lists(CONTENT, max_size=5), st.integers(1, 40))
def test_one_flag_between_two_frames_is_enough(contents: list[bytes], chunk: int) -> None:
    line = b"\x7e" + b"".join(encode(content)[1:] for content in contents)
    assert decoded(line, chunk) == contents


@given(st.lists(st.binary(max_size=300) | CONTENT.map(framed) | st.just(ABORT), max_size=12), st.integers(1, 500))
def test_noise_is_judged_as_the_plain_decoder_judges_it(pieces: list[bytes], chunk: int) -> None:
    line = b"".join(pieces) + b"\x7e"
    assert decoded(line, chunk) == unframed(line)


@given(CONTENT, st.integers(0, 2000), st.integers(0, 7))
def test_no_frame_with_a_flipped_bit_is_delivered(content: bytes, place: int, bit: int) -> None:
    octets = bytearray(encode(content))
    octets[place % len(octets)] ^= 1 << bit
    decoder = Decoder()
    assert content not in decoder.feed(bytes(octets)[:-1] + b"\x7e") or place % len(octets) in {0, len(octets) - 1}


def counts(decoder: Decoder) -> dict[str, int]:
    names = ("frames", "runts", "giants", "damaged", "aborted")
    return {name: value for name in names if (value := getattr(decoder, name))}


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"\x7e\x7e\x7e", {}),
        (b"\x7e12345\x7e", {"runts": 1}),
        (b"\x7e123456\x7e", {"damaged": 1}),
        (b"\x7e" + bytes(135) + b"\x7e", {"damaged": 1}),
        (b"\x7e" + bytes(136) + b"\x7e", {"giants": 1}),
        (b"\x7e" + bytes(4000) + b"\x7e", {"giants": 1}),
        (b"\x7e" + b"\x7d\x20" * 136 + b"\x7e", {"giants": 1}),
        (b"\x7e1234567\x7d\x7e", {"aborted": 1}),
        (b"\x7e\x7d\x7e", {"aborted": 1}),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 5000])
def test_what_is_dropped_is_counted_as_what_it_was(octets: bytes, expected: dict[str, int], chunk: int) -> None:
    decoder = Decoder()
    for at in range(0, len(octets), chunk):
        assert decoder.feed(octets[at : at + chunk]) == []
    assert counts(decoder) == expected
    assert decoder.feed(encode(b"next")) == [b"next"]


def test_an_abort_takes_a_frame_back_and_the_next_one_comes_whole() -> None:
    decoder = Decoder()
    assert decoder.feed(encode(b"taken back")[:8] + ABORT + encode(b"stop")) == [b"stop"]
    assert counts(decoder) == {"frames": 1, "aborted": 1}


@pytest.mark.parametrize("count", [100_000])
def test_bit_exact_on_many_random_payloads(count: int) -> None:
    random = Random(7)
    contents = [random.randbytes(random.randint(2, 131)) for _ in range(count)]
    line = b"".join(map(encode, contents))
    assert line == b"".join(map(framed, contents))
    assert decoded(line, 4096) == contents


def yahdlc() -> Any:
    """`python4yahdlc`: RFC 1662 framing with FCS-16 of its own frames; not a dependency."""
    return pytest.importorskip("yahdlc", reason="pip install python4yahdlc for this oracle")


@pytest.mark.parametrize("seed", range(20))
def test_transparency_is_that_of_an_independent_library(seed: int) -> None:
    oracle = yahdlc()
    payload = Random(seed).randbytes(64) + b"\x7e\x7d"
    theirs = oracle.frame_data(payload)
    inside = theirs[1:-1].replace(b"\x7d\x5e", b"\x7e").replace(b"\x7d\x5d", b"\x7d")
    ours = encode(inside[:-2])
    length = len(inside[:-2])
    plain_length = length + sum(octet in b"\x7d\x7e" for octet in inside[:-2])
    assert ours[1 : 1 + plain_length] == theirs[1 : 1 + plain_length]


def test_the_stub_names_what_the_module_has() -> None:
    for name in ("_framing", "_line", "_port", "_station"):
        module: Any = importlib.import_module(f"firmware_bridge.{name}")
        assert all(callable(getattr(module, public)) for public in module.__all__)
