"""Frames and what goes into one: read back byte for byte, never larger than plain, never beyond what was asked for."""

import json
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.event_types import Stream
from agent.link.batch import Read, array_of, batch_of
from agent.link.compression import MAGIC, PLAIN_BYTES_MAX, Compression, FrameRefused, compressed, decompressed
from agent.log import START, Place, StoredEvent

FRAME = compressed(b"[" + b"1," * 5_000 + b"1]")


def event(sequence: int, body: bytes) -> StoredEvent:
    return StoredEvent.of(Place(1, sequence), f"id-{sequence}", body)


def wish(bytes_max: int, sent_bytes_max: int, *, encoding: str = "zstd", upto: Place | None = None) -> Read:
    return Read(Stream.SALES, START, upto, 1_000, bytes_max, sent_bytes_max, encoding)


def noise(size: int, seed: int = 1) -> bytes:
    """A body that does not compress."""
    return Random(seed).randbytes(size)


@given(st.binary(max_size=5_000))
def test_a_frame_is_read_back_byte_for_byte(payload: bytes) -> None:
    frame = compressed(payload)
    assert frame.startswith(MAGIC)
    assert decompressed(frame) == payload


@given(st.binary(max_size=300))
def test_whatever_follows_the_magic_number_is_read_or_refused(rest: bytes) -> None:
    with suppress(FrameRefused):
        assert len(decompressed(MAGIC + rest)) <= PLAIN_BYTES_MAX


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (FRAME[:-1], "cut off"),
        (FRAME[:10], "cut off"),
        (FRAME + b"x", "1 bytes behind the end"),
        (FRAME + FRAME, "behind the end"),
        (FRAME[:-1] + b"\x00", "checksum"),
        (MAGIC, "cut off"),
        (MAGIC + b"\xff" * 20, "not readable as zstd"),
        (compressed(b"\0" * (PLAIN_BYTES_MAX + 1)), "more than 1,048,576 bytes"),
        (compressed(b"\0" * (64 * PLAIN_BYTES_MAX)), "more than 1,048,576 bytes"),
    ],
)
def test_a_frame_that_is_damaged_or_a_bomb_is_refused_with_the_reason(frame: bytes, reason: str) -> None:
    with pytest.raises(FrameRefused, match=reason):
        decompressed(frame)


def test_a_frame_of_the_largest_content_is_read() -> None:
    assert len(decompressed(compressed(b"\0" * PLAIN_BYTES_MAX))) == PLAIN_BYTES_MAX


bodies_of_all_kinds = st.lists(
    st.one_of(
        st.builds(noise, st.integers(1, 3_000), st.integers(0, 99)),
        st.builds(lambda size: json.dumps({"text": "x" * size}).encode(), st.integers(0, 3_000)),
    ),
    min_size=1,
    max_size=40,
)


@given(bodies_of_all_kinds, st.integers(100, 20_000), st.integers(1, 8), st.sampled_from(["zstd", ""]))
def test_a_batch_is_the_first_events_unchanged_and_within_what_was_asked_for(
    bodies: list[bytes], sent_bytes_max: int, times: int, encoding: str
) -> None:
    read = wish(sent_bytes_max * times, sent_bytes_max, encoding=encoding)
    if not encoding:
        read = wish(sent_bytes_max, sent_bytes_max, encoding="")
    events = [event(number, body) for number, body in enumerate(bodies, 1)]
    batch = batch_of(read, events)
    assert batch is not None
    assert batch.events == events[: len(batch.events)]
    plain = array_of([one.body for one in batch.events])
    assert batch.plain_bytes == len(plain)
    assert len(batch.payload) <= len(plain)
    assert batch.encoding in {encoding, ""}
    assert (decompressed(batch.payload) if batch.encoding else batch.payload) == plain
    if len(batch.events) > 1:
        assert len(batch.payload) <= sent_bytes_max
        assert len(plain) <= read.bytes_max


def test_what_does_not_get_smaller_goes_out_plain_and_no_larger_than_without_compression() -> None:
    events = [event(number, noise(1_000, number)) for number in range(1, 21)]
    batch = batch_of(wish(100_000, 5_000), events)
    assert batch == batch_of(wish(5_000, 5_000, encoding=""), events)


def test_a_single_small_event_that_a_frame_would_make_larger_goes_out_plain() -> None:
    batch = batch_of(wish(1_000, 1_000), [event(1, b"{}")])
    assert batch is not None
    assert (batch.payload, batch.encoding) == (b"[{}]", "")


def test_events_beyond_the_place_that_was_asked_for_are_left_out_and_nothing_makes_no_batch() -> None:
    events = [event(number, b"{}") for number in (3, 4, 5)]
    assert batch_of(wish(1_000, 1_000, upto=Place(1, 2)), events) is None
    assert batch_of(wish(1_000, 1_000), []) is None
    batch = batch_of(wish(1_000, 1_000, upto=Place(1, 4)), events)
    assert batch is not None
    assert len(batch.events) == 2


def test_it_is_used_only_where_settings_ledger_and_broker_allow_it() -> None:
    for allowed, accepted, refused in ((a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)):
        one = Compression(allowed, accepted, refused)
        assert (one.encoding == "zstd") == (allowed and accepted and not refused)


def test_batches_grow_by_the_ratio_that_the_last_full_one_of_the_stream_had() -> None:
    one = Compression(allowed=True, accepted=True)
    assert one.plain_bytes_max(Stream.SALES, 8_000) == 8_000
    one.sent(Stream.SALES, 80_000, 8_000, full=True)
    assert 60_000 <= one.plain_bytes_max(Stream.SALES, 8_000) < 80_000
    one.sent(Stream.SALES, 500, 400, full=False)  # a live event alone tells nothing of a batch
    assert one.plain_bytes_max(Stream.SALES, 8_000) >= 60_000
    assert one.plain_bytes_max(Stream.STOCK, 8_000) == 8_000
    assert (one.plain_bytes, one.sent_bytes) == (80_500, 8_400)


@given(st.integers(1, PLAIN_BYTES_MAX), st.floats(1, 100_000))
def test_no_batch_is_asked_for_that_holds_more_than_readers_unpack(sent_bytes_max: int, ratio: float) -> None:
    one = Compression(allowed=True, accepted=True)
    one.sent(Stream.SALES, int(1_000 * ratio), 1_000, full=True)
    assert sent_bytes_max <= one.plain_bytes_max(Stream.SALES, sent_bytes_max) <= PLAIN_BYTES_MAX
