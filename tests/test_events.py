"""Producers' JSON becomes checked drafts, or one clear refusal; drafts become CloudEvents."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.errors import EventRefused, Problem
from agent.event_types import EVENT_TYPES, PosVoid, Stream
from agent.events import SEQUENCE_DIGITS, Draft, EventDecoder, Origin, close_event, event_ending, event_schema
from agent.topics import DeviceName
from tests.examples import EXAMPLES, PAN

NOW: Final = datetime(2017, 3, 5, 9, 30, tzinfo=UTC)
SALE: Final = EXAMPLES["pos.sale.v1"]
SHORT: Final[dict[str, Any]] = {"type": "pos.sale.v1", "data": SALE}  # Any: JSON
FULL: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/store-1/box-1/till-3",
    "type": "dev.storeforward.pos.sale.v1",
    "data": SALE,
}


def decoder(market: str = "", region: str = "") -> EventDecoder:
    numbers = count(1)
    origin = Origin(DeviceName("store-1", "box-1"), market, region)
    return EventDecoder(origin, wall=lambda: NOW, new_id=lambda: f"made-{next(numbers)}")


def decode(value: object, made_by: EventDecoder | None = None) -> list[Draft]:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (made_by or decoder()).decode(body, "till-3")


def problems(value: object) -> list[Problem]:
    with pytest.raises(EventRefused) as refused:
        decode(value)
    return list(refused.value.problems)


def closed(draft: Draft) -> dict[str, Any]:
    ending = event_ending("epoch-1", "2017-03-05T09:30:01.000Z", clock_synced=True)
    event = json.loads(close_event(draft.opening, 7, ending))
    assert isinstance(event, dict)
    return event


# --- what comes out ---------------------------------------------------------------------------------------


@pytest.mark.case("C5")
def test_a_sale_in_a_leap_second_is_taken_and_every_time_on_the_wire_is_utc() -> None:
    (draft,) = decode({**SHORT, "time": "2017-01-01T00:59:60.5+01:00"})
    assert closed(draft)["time"] == "2016-12-31T23:59:59.500Z"
    assert problems({**SHORT, "time": "2017-01-01T12:00:60Z"})[0].path == "time"


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_type_round_trips(name: str) -> None:
    row = EVENT_TYPES[name]
    draft = decoder().make(row.model.model_validate(EXAMPLES[name]), "till-3")
    assert (draft.type, draft.stream) == (name, row.stream)
    data = closed(draft)["data"]
    assert row.model.model_validate(data) == draft.data
    if not row.is_audit:
        assert decode({"type": name, "data": data})[0].digest == draft.digest


def test_a_closed_event_is_a_cloudevent_with_all_our_attributes() -> None:
    (draft,) = decode({**SHORT, "id": "e-1", "time": "2017-03-05T10:00:00+01:00"}, decoder("de", 'no"rth'))
    event = closed(draft)
    assert list(event) == [
        *("specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "market", "region"),
        *("stream", "data", "sequence", "epoch", "recordedtime", "clocksynced"),
    ]
    del event["data"]
    assert event == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/store-1/box-1/till-3",
        "type": "dev.storeforward.pos.sale.v1",
        "time": "2017-03-05T09:00:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:storeforward:schema:pos.sale.v1",
        "market": "de",
        "region": 'no"rth',
        "stream": "sales",
        "sequence": "000000000007",
        "epoch": "epoch-1",
        "recordedtime": "2017-03-05T09:30:01.000Z",
        "clocksynced": True,
    }


def test_attribute_names_are_lower_case_letters_and_digits_as_cloudevents_wants() -> None:
    assert all(name.isascii() and name.islower() and name.isalnum() for name in closed(decode(FULL)[0]))


def test_without_market_and_region_the_event_has_neither() -> None:
    event = closed(decode(SHORT)[0])
    assert not {"market", "region"} & set(event)


def test_the_clock_state_is_said_either_way() -> None:
    body = close_event(decode(SHORT)[0].opening, 1, event_ending("e", "t", clock_synced=False))
    assert json.loads(body)["clocksynced"] is False


@pytest.mark.parametrize(("sequence", "text"), [(1, "000000000001"), (10**12 - 1, "9" * 12), (10**12, "1" + "0" * 12)])
def test_sequences_are_padded_so_that_they_sort_as_text(sequence: int, text: str) -> None:
    assert len(text) >= SEQUENCE_DIGITS
    body = close_event(decode(SHORT)[0].opening, sequence, event_ending("e", "t", clock_synced=True))
    assert json.loads(body)["sequence"] == text


def test_what_a_producer_leaves_out_is_filled_in() -> None:
    drafts = decode([SHORT, SHORT])
    assert [draft.id for draft in drafts] == ["made-1", "made-2"]
    assert {draft.time for draft in drafts} == {"2017-03-05T09:30:00.000Z"}
    assert {draft.source for draft in drafts} == {"/store-1/box-1/till-3"}


def test_a_cloudevent_may_say_everything_that_we_would_say() -> None:
    constants = {"datacontenttype": "application/json", "dataschema": event_schema("pos.sale.v1")}
    (draft,) = decode({**FULL, **constants, "time": "2017-03-05T09:00:00Z", "subject": "b-1001", "traceparent": "00-a"})
    event = closed(draft)
    assert (event["id"], event["subject"], event["traceparent"]) == ("e-1", "b-1001", "00-a")


@pytest.mark.parametrize("text", ['q"uote\\', "\u20ac \U0001f34c", "a/b c"])
def test_ids_and_subjects_of_any_printable_text_survive(text: str) -> None:
    (draft,) = decode({**FULL, "id": text, "subject": text})
    assert draft.id == text
    assert closed(draft)["id"] == closed(draft)["subject"] == text


def test_the_agents_own_events_take_the_same_way() -> None:
    made = decoder().make(PosVoid(till_id="till-3", basket_id="b-1"), "agent", event_id="day-1")
    assert (made.id, made.source, made.stream) == ("day-1", "/store-1/box-1/agent", Stream.SALES)
    assert closed(made)["data"] == {"till_id": "till-3", "basket_id": "b-1"}
    assert decoder().make(PosVoid(till_id="till-3", basket_id="b-1"), "agent").id == "made-1"


def test_a_draft_knows_about_its_size() -> None:
    (draft,) = decode(SHORT)
    ending = event_ending("0195a2b4-0000-7000-8000-000000000000", draft.time, clock_synced=False)
    stored = close_event(draft.opening, 1, ending)
    assert len(stored) <= draft.size_bytes <= len(stored) + 40


def test_a_decoder_tells_its_origin() -> None:
    assert decoder("de").origin == Origin(DeviceName("store-1", "box-1"), "de")


# --- a retry is told from a conflict ----------------------------------------------------------------------


def test_a_retry_has_the_same_digest_whatever_its_spelling() -> None:
    first = decode({**SHORT, "id": "e-1", "time": "2017-03-05T09:00:00Z"})[0]
    other_order = {key: SALE[key] for key in reversed(SALE)}
    spellings: list[object] = [
        {"time": "2017-03-05T09:00:00Z", "data": other_order, "id": "e-1", "type": "pos.sale.v1"},
        {**FULL, "data": other_order, "time": "2017-03-05T10:00:00.000+01:00"},
        {**FULL, "time": "2017-03-05T09:00:00Z", "traceparent": "00-another"},
        json.dumps({**SHORT, "id": "e-1", "time": "2017-03-05T09:00:00Z"}, indent=4).encode(),
        json.dumps({**SHORT, "id": "e-1", "time": "2017-03-05T09:00:00Z"}).replace("Bananas", "\\u0042ananas").encode(),
    ]
    for spelling in spellings:
        assert decode(spelling)[0].digest == first.digest


@pytest.mark.parametrize(
    "other",
    [
        {"data": {**SALE, "total": "3.87"}},
        {"data": {**SALE, "total": "3.860"}},
        {"data": {key: value for key, value in SALE.items() if key != "customer_id"}},
        {"time": "2017-03-05T09:00:00.001Z"},
        {"subject": "b-1001"},
    ],
)
def test_another_event_has_another_digest(other: dict[str, Any]) -> None:
    assert decode({**FULL, "time": "2017-03-05T09:00:00Z", **other})[0].digest != decode(FULL)[0].digest


def test_the_same_data_as_another_type_has_another_digest() -> None:
    twins = ("kiosk.shown.v1", "kiosk.dismissed.v1")
    shown, dismissed = (decode({"type": name, "data": EXAMPLES["kiosk.shown.v1"]})[0] for name in twins)
    assert shown.digest != dismissed.digest


def test_time_subject_and_data_do_not_run_into_one_another() -> None:
    digests = {decode({**FULL, "subject": subject})[0].digest for subject in ("a", 'a"', "null", '"a"')}
    assert len({*digests, decode(FULL)[0].digest}) == 5


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.case("D2")
@pytest.mark.parametrize("name", ["pos.layaway.v1", "pos.sale.v2", "dev.example.pos.sale.v1", "pos.sale"])
def test_an_unknown_type_or_version_is_refused(name: str) -> None:
    (problem,) = problems({**SHORT, "type": name})
    assert problem.path == "type"
    assert problem.problem == f"unknown event type {name!r}"


@pytest.mark.case("D3")
@pytest.mark.parametrize("amount", [12.5, 12, 0, -0.0, 1e2])
def test_money_is_a_decimal_text_and_a_number_is_refused_with_its_path(amount: float) -> None:
    (problem,) = problems({**SHORT, "data": {**SALE, "total": amount}})
    assert (problem.path, problem.problem) == ("data.total", "money as a number")
    assert 'a decimal string such as "12.50"' in problem.expected
    (problem,) = problems({"type": "pos.scan.v1", "data": {**EXAMPLES["pos.scan.v1"], "actual_unit_price": amount}})
    assert problem.path == "data.actual_unit_price"


@pytest.mark.parametrize(
    ("value", "path", "problem", "expected"),
    [
        (3, "", "neither an event nor a list of events", "a JSON object or array"),
        ([], "", "neither an event nor a list of events", "a JSON object or array"),
        ([3], "[0]", "not an event", "a JSON object"),
        ([SHORT] * 1_001, "", "1,001 events", "at most 1,000 in one call"),
        ({"data": SALE}, "type", "missing", "this attribute"),
        ({"type": "pos.sale.v1"}, "data", "missing", "this attribute"),
        ({**SHORT, "data": None}, "data", "missing", "this attribute"),
        ({**SHORT, "data": []}, "data", "not usable", "a valid dictionary or instance of PosSale"),
        ({**SHORT, "type": "pos.sal.v1"}, "type", "unknown event type 'pos.sal.v1'", "pos.sale.v1?"),
        ({**SHORT, "type": "dev.storeforward.pos.sale"}, "type", "unknown event type", "pos.sale.v1?"),
        ({**SHORT, "type": "zzz"}, "type", "unknown event type 'zzz'", "a type such as pos.sale.v1"),
        ({**SHORT, "type": 3}, "type", "unknown event type not a text", "a type such as pos.sale.v1"),
        ({**SHORT, "source": "x"}, "source", "unknown attribute", "one of data, id, time, type"),
        ({**SHORT, "sequence": "1"}, "sequence", "set by the producer", "nothing: the agent fills this in"),
        ({**SHORT, "id": ""}, "id", "not usable", "1 to 128 printable characters"),
        ({**SHORT, "id": "x" * 129}, "id", "not usable", "1 to 128"),
        ({**SHORT, "id": 3}, "id", "not usable", "1 to 128"),
        ({**SHORT, "id": "a\nb"}, "id", "not usable", "1 to 128"),
        ({**SHORT, "time": "yesterday"}, "time", "not a time", "RFC 3339 with an offset"),
        ({**SHORT, "time": "2017-03-05"}, "time", "not a time", "RFC 3339"),
        ({**SHORT, "time": "2017-02-30T09:00:00Z"}, "time", "not a time", "RFC 3339"),
        ({**SHORT, "time": "2017-03-05T09:00:00"}, "time", "a time without an offset", "RFC 3339"),
        ({**SHORT, "time": "0001-01-01T00:00:00+23:59"}, "time", "not a time", "RFC 3339"),
        ({**SHORT, "time": 1488700800}, "time", "not a time", "RFC 3339"),
        ({**SHORT, "time": "T" * 41}, "time", "not a time", "RFC 3339"),
        ({**FULL, "id": None}, "id", "missing", "this attribute"),
        ({**FULL, "source": None}, "source", "missing", "this attribute"),
        ({**FULL, "specversion": "0.3"}, "specversion", "another value", '"1.0"'),
        ({**FULL, "source": "/store-1/box-1/till-4"}, "source", "another value", '"/store-1/box-1/till-3"'),
        ({**FULL, "datacontenttype": "text/xml"}, "datacontenttype", "another value", '"application/json"'),
        ({**FULL, "dataschema": "urn:x"}, "dataschema", "another value", '"urn:storeforward:schema:pos.sale.v1"'),
        ({**FULL, "subject": ""}, "subject", "not a text", "1 to 128 characters"),
        ({**FULL, "traceparent": 3}, "traceparent", "not a text", "1 to 128 characters"),
        ({**FULL, "data_base64": "AA=="}, "data_base64", "unknown attribute", "one of data, "),
        ({**FULL, "clocksynced": True}, "clocksynced", "set by the producer", "nothing"),
        ([FULL, {**FULL, "type": "x", "dataschema": "urn:x"}], "[1].type", "unknown event type", "a type such as"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_its_path(
    value: object, path: str, problem: str, expected: str
) -> None:
    first = problems(value)[0]
    assert first.path == path
    assert problem in first.problem
    assert first.expected.startswith(expected)


def test_every_part_of_a_wrong_item_is_named() -> None:
    broken = {**SALE, "customer_id": "4711", "items": [{**SALE["items"][0], "quantity": 0.5, "extended_amount": 1.86}]}
    found = {problem.path: problem for problem in problems([SHORT, SHORT, SHORT, {**SHORT, "data": broken}])}
    assert set(found) == {
        "[3].data.items[0].quantity",
        "[3].data.items[0].extended_amount",
        "[3].data.customer_id",
    }
    assert found["[3].data.items[0].quantity"].problem == "a float"
    assert found["[3].data.items[0].extended_amount"].expected == 'a decimal string such as "12.50"'
    assert found["[3].data.customer_id"].problem == "not a pseudonym"
    assert "4711" not in str(found), "a raw id is not repeated"


def test_one_event_alone_has_no_index_in_its_paths() -> None:
    assert [problem.path for problem in problems({**SHORT, "data": {**SALE, "total": 3.86}})] == ["data.total"]


def test_a_typo_and_a_missing_field_are_both_named() -> None:
    data = {("totle" if key == "total" else key): value for key, value in SALE.items()}
    assert {str(problem) for problem in problems({**SHORT, "data": data})} == {
        "data.totle: unknown field; expected only fields of this event type",
        "data.total: missing; expected this field",
    }


def test_a_call_is_all_or_nothing_and_names_up_to_20_problems() -> None:
    found = problems([{**SHORT, "data": {}}] * 30)
    assert len(found) == 20
    assert found[-1].path.startswith("[3].data")
    assert [problem.path for problem in problems([SHORT, 1, SHORT, 2])] == ["[1]", "[3]"]
    assert len(problems({**SHORT, **{f"key{number}": 1 for number in range(50)}})) == 20


def test_the_path_of_a_long_unknown_name_is_cut() -> None:
    assert problems({**SHORT, "x" * 5_000: 1})[0].path == "x" * 60
    assert problems({**SHORT, "data": {**SALE, "x" * 5_000: 1}})[0].path == "data." + "x" * 60


@pytest.mark.case("D4")
def test_an_event_too_large_for_a_publish_is_refused() -> None:
    many = {**SALE, "items": [{**SALE["items"][0], "description": "x" * 400}] * 200}
    (problem,) = problems([SHORT, {**SHORT, "data": many}])
    assert problem.path == "[1]"
    assert problem.expected == "at most 65,536 bytes"


@pytest.mark.case("D1")
def test_a_body_of_five_megabytes_is_refused() -> None:
    assert problems(b" " * 5_000_000)[0].problem == "5,000,000 bytes"


@pytest.mark.parametrize("where", ["id", "subject", "type", "time", "data", "unknown"])
def test_a_card_number_is_refused_anywhere_and_never_repeated(where: str) -> None:
    with pytest.raises(EventRefused) as refused:
        decode([{**FULL, where: f"{PAN}"}])
    assert refused.value.problems[0].path == f"[0].{where}"
    assert PAN not in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
attributes = st.dictionaries(
    st.sampled_from([*FULL, "time", "subject", "traceparent", "datacontenttype", "dataschema", "sequence"]), json_values
)


@given(json_values | st.lists(attributes.map(lambda some: {**FULL, **some}), max_size=3))
@example({**FULL, "type": "dev.storeforward.\U0001f34c"})
def test_any_json_is_decoded_or_refused(value: object) -> None:
    try:
        assert all(closed(draft) for draft in decode(value))
    except EventRefused as refused:
        assert 1 <= len(refused.problems) <= 20  # noqa: PT017 - either answer is right


@given(st.sampled_from(sorted(name for name, row in EVENT_TYPES.items() if not row.is_audit)), st.data())
def test_any_broken_field_is_refused_within_its_event(name: str, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(EXAMPLES[name])))
    value = data.draw(json_values)
    try:
        decode([{"type": name, "data": {**EXAMPLES[name], field: value}}])
    except EventRefused as refused:
        assert all(problem.path.startswith(f"[0].data.{field}") for problem in refused.problems)  # noqa: PT017 - either answer is right


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    try:
        decode(body)
    except EventRefused as refused:
        assert refused.problems  # noqa: PT017 - either answer is right


def test_the_vocabulary_needs_neither_storage_nor_network() -> None:
    script = (
        "import sys, agent.events; print(sorted({'sqlite3', 'paho', 'aiohttp', 'asyncio', 'numpy'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize("name", [name for name, row in EVENT_TYPES.items() if row.is_audit])
def test_a_producer_cannot_speak_for_the_agent(name: str) -> None:
    event = {"type": name, "data": EXAMPLES[name]}
    with pytest.raises(EventRefused, match="audit event from a producer"):
        decoder().decode(json.dumps(event).encode(), "till-1")
