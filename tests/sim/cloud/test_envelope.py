"""What a publish may look like, and what is said of one that cannot be used."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.link.compression import compressed
from sim.cloud import envelope
from sim.cloud.envelope import Unreadable, read_publish
from tests.sim.cloud.publishes import EPOCH, batch, event, events_topic

TOPIC = events_topic()


def test_each_event_keeps_its_own_text() -> None:
    first, second = json.dumps(event(1), indent=2), json.dumps(event(2), separators=(",", ":"))
    arrivals, unplaced = read_publish(TOPIC, f" [ {first}\n,\t{second} ]\r\n".encode())
    assert unplaced == []
    assert [arrival.body for arrival in arrivals] == [first, second]
    assert [(arrival.epoch, arrival.sequence) for arrival in arrivals] == [(EPOCH, 1), (EPOCH, 2)]
    assert arrivals[0].type == "pos.scan.v1"


def test_a_single_structured_event_is_a_publish_too() -> None:
    arrivals, _ = read_publish(TOPIC, json.dumps(event(7)).encode() + b"\n")
    assert [arrival.sequence for arrival in arrivals] == [7]
    assert arrivals[0].body == json.dumps(event(7))


@given(st.lists(st.integers(1, 10**15 - 1), min_size=1, max_size=20), st.sampled_from([None, 1, 3]))
def test_any_batch_is_read_as_json_reads_it(sequences: list[int], indent: int | None) -> None:
    text = json.dumps([event(sequence) for sequence in sequences], indent=indent)
    arrivals, _ = read_publish(TOPIC, text.encode())
    assert [arrival.sequence for arrival in arrivals] == sequences
    assert [json.loads(arrival.body) for arrival in arrivals] == json.loads(text)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "an empty list"),
        (b"[] x", "Extra data"),
        (b"[{}", "',' or ']'"),
        (b"[{},]", "not JSON"),
        (b"[{}] []", "Extra data"),
        (b"[{} {}]", "',' or ']'"),
        (b"{} {}", "Extra data"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[" + b"1" * 5_000 + b"]", "not usable"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_list_of_events_is_unreadable(payload: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason.replace("[", r"\[")):
        read_publish(TOPIC, payload)


def test_a_compressed_batch_is_read_as_the_plain_one() -> None:
    plain = batch(*(event(number) for number in range(1, 51)))
    assert read_publish(events_topic(), compressed(plain)) == read_publish(events_topic(), plain)


@pytest.mark.case("D8")
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (compressed(b"[" + b" " * 200_000_000 + b"]"), "holds more than 1,048,576 bytes"),
        (compressed(batch(event(1)))[:-1], "cut off"),
        (compressed(batch(event(1))) + b"]", "behind the end"),
        (compressed(compressed(batch(event(1)))), "not UTF-8"),
        (compressed(b"nothing"), "not JSON"),
    ],
)
def test_a_frame_that_is_a_bomb_cut_or_no_batch_is_unreadable_and_unpacked_no_further_than_a_batch(
    payload: bytes, reason: str
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match=reason):
            read_publish(events_topic(), payload)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_publish_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "EVENTS_PER_PUBLISH_MAX", 2)
    with pytest.raises(Unreadable, match="3 events; expected at most 2"):
        read_publish(TOPIC, batch(event(1), event(2), event(3)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": 7}, "id: missing"),
        ({"id": ""}, "id: missing"),
        ({"id": "x" * 201}, "id: missing"),
        ({"id": "\ud800"}, "id: missing"),
        ({"source": "/other/box/till-3"}, "source: '/other/box/till-3' on the topic of '/store-1/box-1/'"),
        ({"stream": "stock"}, "stream: 'stock' on the topic of 'sales'"),
        ({"sequence": "0"}, "sequence: not a number"),
        ({"sequence": "-1"}, "sequence: not a number"),
        ({"sequence": "\u0661"}, "sequence: not a number"),
        ({"sequence": "1" * 16}, "sequence: not a number"),
        ({"sequence": 5}, "sequence: missing"),
        ({"epoch": None}, "epoch: missing"),
    ],
)
def test_an_event_that_has_no_place_is_told_and_the_others_are_read(changes: dict[str, Any], reason: str) -> None:
    arrivals, unplaced = read_publish(TOPIC, batch(event(1), event(2) | changes, event(3)))
    assert [arrival.sequence for arrival in arrivals] == [1, 3]
    assert [element.reason[: len(reason)] for element in unplaced] == [reason]


def test_elements_that_are_no_events_are_told() -> None:
    without = {key: value for key, value in event(1).items() if key != "data"}
    _, unplaced = read_publish(TOPIC, json.dumps([1, without]).encode())
    assert [element.reason for element in unplaced] == ["not an object", "data: missing"]
