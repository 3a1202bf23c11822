"""Topics are built and parsed in one place, inversely, and nothing can be smuggled into a level."""

from typing import Final

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agent.event_types import Stream
from agent.topics import Channel, DeviceName, LevelName, Topic, TopicRefused, device_filter, parse_topic, receipt_filter

LETTERS: Final = "ABCXYZabcxyz019.:-"
BOX: Final = DeviceName("store-1", "box-1")

levels = st.builds(lambda first, rest: first + rest, st.sampled_from(LETTERS), st.text(LETTERS + "_", max_size=63))
tails = {
    Channel.EVENTS: st.tuples(levels),
    Channel.STATE: st.just(()),
    Channel.RECEIPTS: st.just(()),
    Channel.CONFIG: st.sampled_from([("desired",), ("reported",)]),
    Channel.PACKS: st.tuples(levels) | st.tuples(levels, levels, levels),
    Channel.COMMANDS: st.tuples(levels) | st.tuples(levels, st.just("res"), levels),
    Channel.PROBE: st.just(()),
}
topics = st.sampled_from(sorted(Channel)).flatmap(
    lambda channel: st.builds(Topic, levels, levels, st.just(channel), tails[channel])
) | st.builds(Topic, st.just("_market"), levels, st.just(Channel.PACKS), tails[Channel.PACKS])


@given(topics)
def test_parsing_is_the_inverse_of_building(topic: Topic) -> None:
    assert parse_topic(str(topic)) == topic
    assert str(topic).count("/") <= 7


@given(st.text() | st.lists(levels, max_size=6).map(lambda some: "/".join(["sf", "v1", *some])))
@example("sf/v1/a/b/evt/sales")
@example("sf/v1/a/b/state/")
def test_any_text_is_refused_or_is_exactly_the_topic_it_parses_to(text: str) -> None:
    try:
        topic = parse_topic(text)
    except TopicRefused as refused:
        assert len(str(refused)) < 2_000  # noqa: PT017 - either answer is right
    else:
        assert str(topic) == text


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        (BOX.topic(Channel.EVENTS, "sales"), "sf/v1/store-1/box-1/evt/sales"),
        (BOX.topic(Channel.STATE), "sf/v1/store-1/box-1/state"),
        (BOX.topic(Channel.RECEIPTS), "sf/v1/store-1/box-1/ack"),
        (BOX.topic(Channel.CONFIG, "desired"), "sf/v1/store-1/box-1/cfg/desired"),
        (BOX.topic(Channel.PACKS, "prices", "h4sh", "3"), "sf/v1/store-1/box-1/dat/prices/h4sh/3"),
        (BOX.topic(Channel.COMMANDS, "stop", "res", "c-1"), "sf/v1/store-1/box-1/cmd/stop/res/c-1"),
        (str(Topic("_market", "de", Channel.PACKS, ("prices",))), "sf/v1/_market/de/dat/prices"),
        (receipt_filter(BOX), "sf/v1/store-1/box-1/ack"),
        (device_filter(Channel.EVENTS), "sf/v1/+/+/evt/#"),
        (BOX.source("till-3"), "/store-1/box-1/till-3"),
    ],
)
def test_topics_as_documented(topic: str, text: str) -> None:
    assert topic == text


@pytest.mark.parametrize("stream", Stream)
def test_every_stream_has_its_topic(stream: Stream) -> None:
    assert parse_topic(BOX.topic(Channel.EVENTS, stream)).tail == (stream,)


BAD_LEVELS: Final = (
    "",
    "+",
    "#",
    "a+",
    "a#",
    "a/b",
    "$SYS",
    "a\x00",
    "_a",
    "_market",
    "a b",
    "\u00e4",
    "a\n",
    "x" * 65,
)


@pytest.mark.case("D6")
@pytest.mark.parametrize("level", BAD_LEVELS)
def test_nothing_can_be_smuggled_into_a_level(level: str) -> None:
    for build in (
        lambda: DeviceName(level, "box-1"),
        lambda: DeviceName("store-1", level),
        lambda: BOX.topic(Channel.EVENTS, level),
        lambda: BOX.topic(Channel.COMMANDS, "stop", "res", level),
        lambda: BOX.source(level),
        lambda: Topic("_market", level, Channel.PACKS, ("prices",)),
        lambda: Topic("store-1", level, Channel.STATE),
    ):
        with pytest.raises(TopicRefused, match="expected 1 to 64 letters"):
            build()
    with pytest.raises(ValidationError):
        TypeAdapter(LevelName).validate_python(level)


@given(st.text(max_size=70))
def test_the_settings_type_and_the_topics_agree_on_what_a_level_is(text: str) -> None:
    try:
        TypeAdapter(LevelName).validate_python(text)
    except ValidationError:
        with pytest.raises(TopicRefused):
            DeviceName(text, "box-1")
    else:
        assert DeviceName(text, "box-1").site == text


@given(levels, levels, levels)
def test_no_two_devices_share_a_source_or_a_topic(site: str, device: str, other: str) -> None:
    assume(device != other)
    one, two = DeviceName(site, device), DeviceName(site, other)
    assert one.source("till-3") != two.source("till-3")
    assert one.topic(Channel.STATE) != two.topic(Channel.STATE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "does not begin with"),
        ("sf/v1/a/b", "does not begin with"),
        ("sf/v2/a/b/evt/sales", "does not begin with"),
        ("/sf/v1/a/b/evt", "does not begin with"),
        ("sf/v1/a/b/evn/sales", "unknown channel 'evn'"),
        ("sf/v1/a/b/evt", "evt topics do not end in nothing"),
        ("sf/v1/a/b/evt/sales/1", "evt topics do not end in sales/1"),
        ("sf/v1/a/b/state/x", "state topics do not end in x"),
        ("sf/v1/a/b/cfg/other", "cfg topics do not end in other"),
        ("sf/v1/a/b/cmd/stop/ack/c-1", "cmd topics do not end in"),
        ("sf/v1/a/b/dat/prices/h4sh", "dat topics do not end in"),
        ("sf/v1/_market/de/evt/sales", "a market has no evt topics, only dat"),
        ("sf/v1/_other/de/dat/prices", "site id '_other'"),
        ("sf/v1/+/b/evt/sales", "site id '\\+'"),
    ],
)
def test_other_topics_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(TopicRefused, match=reason):
        parse_topic(text)
