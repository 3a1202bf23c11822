"""Event types that a site declares by JSON Schema, and unknown types that it keeps unread (D2)."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import EventRefused, SettingsRefused
from agent.event_types import Stream
from agent.events import EventDecoder, Origin, close_event, event_ending
from agent.settings import EventSettings
from agent.site_type_files import load_site_types
from agent.site_types import NO_SITE_TYPES, SiteTypes, is_site_name
from agent.topics import DeviceName
from tests.agent_process import running_agent, scan, settings_toml
from tests.log.world import NOON, new_ids, raw
from tests.sources import ROOT

Json = Any  # Any: JSON
SCALE = "com.example.scale.reading.v1"
SCALE_SCHEMA: dict[str, Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A shop scale's reading",
    "x-stream": "sensor",
    "type": "object",
    "required": ["scale_id", "grams"],
    "additionalProperties": False,
    "properties": {
        "scale_id": {"type": "string", "maxLength": 64},
        "grams": {"$ref": "#/$defs/grams"},
        "parts": {"type": "array", "items": {"type": "object", "properties": {"grams": {"type": "integer"}}}},
    },
    "$defs": {"grams": {"type": "integer", "minimum": 0}},
}
KEEP = EventSettings(unknown_types="keep", unknown_stream="health")


def decoder(site_types: SiteTypes = NO_SITE_TYPES) -> EventDecoder:
    return EventDecoder(
        Origin(DeviceName("store-1", "box-1")), wall=lambda: NOON, new_id=new_ids(), site_types=site_types
    )


def declared(folder: Path, schema: Json = SCALE_SCHEMA, name: str = SCALE) -> SiteTypes:
    (folder / f"{name}.json").write_text(json.dumps(schema), encoding="utf-8")
    return load_site_types(EventSettings(types_folder=str(folder)))


def sent(event: Json, site_types: SiteTypes) -> Json:
    """The CloudEvent that the cloud gets."""
    (draft,) = decoder(site_types).decode(json.dumps(event).encode(), "till-1")
    return json.loads(close_event(draft.opening, 1, event_ending("e", "t", clock_synced=True)))


def refusal(event: Json, site_types: SiteTypes) -> str:
    with pytest.raises(EventRefused) as refused:
        decoder(site_types).decode(json.dumps(event).encode(), "till-1")
    return str(refused.value)


# --- declared by the site ----------------------------------------------------------------------------------


@pytest.mark.case("D2")
def test_d2_an_event_of_a_declared_type_is_taken_under_its_own_name_in_its_stream(tmp_path: Path) -> None:
    event = sent({"type": SCALE, "data": {"scale_id": "s-1", "grams": 345}}, declared(tmp_path))
    assert event["type"] == SCALE
    assert event["stream"] == "sensor"
    assert event["dataschema"] == f"urn:storeforward:schema:{SCALE}"
    assert event["data"] == {"scale_id": "s-1", "grams": 345}


@pytest.mark.case("D2")
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"scale_id": "s-1"}, "data.grams: missing; expected this field"),
        (
            {"scale_id": "s-1", "grams": "345"},
            'data.grams: not of type "integer"; expected what the site\'s schema says',
        ),
        ({"scale_id": "s-1", "grams": -1}, "data.grams: less than the minimum of 0"),
        ({"scale_id": "s-1", "grams": 1, "parts": [{}, {"grams": 0.5}]}, 'data.parts[1].grams: not of type "integer"'),
        ({"scale_id": "s-1", "grams": 1, "unit": "g"}, "data.unit: unknown field"),
        ({"scale_id": 7, "grams": 1.5}, 'data.scale_id: not of type "string"'),
        ({"scale_id": 7, "grams": 1.5}, 'data.grams: not of type "integer"'),
        ([], "data: "),
    ],
)
def test_d2_what_a_sites_schema_refuses_is_refused_with_its_path(tmp_path: Path, data: Json, told: str) -> None:
    assert told in refusal({"type": SCALE, "data": data}, declared(tmp_path))


def test_card_data_is_refused_in_a_sites_events_as_in_all_others(tmp_path: Path) -> None:
    schema = {"type": "object", "x-stream": "sales"}
    event = {"type": SCALE, "data": {"note": "4111 1111 1111 1111"}}
    assert "payment card" in refusal(event, declared(tmp_path, schema))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (SCALE, b"{", "not usable JSON"),
        (SCALE, b"[]", "not a JSON object"),
        (SCALE, b'{"type": "object"}', "x-stream is null; expected one of sales, stock, kiosk"),
        (SCALE, b'{"type": "object", "x-stream": "audit"}', 'x-stream is "audit"'),
        (SCALE, b'{"x-stream": "sensor"}', 'no "type": "object"'),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "$schema": "http://json-schema.org/draft-04/schema#"}',
         '$schema is "http://json-schema.org/draft-04/schema#"; expected https://json-schema.org/draft/2020-12/schema'),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "$schema": 7}', "$schema is 7"),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "not": {"$ref": "other.json"}}', "refers to 'other.json'"),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "not": {"$ref": "file:///etc/passwd"}}', "it refers to"),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "not": {"$dynamicRef": "http://a/b"}}', "not a JSON Schema"),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "not": {"pattern": "(?=a)b"}}',
         'not a JSON Schema at /not/pattern: it is not a "regex"; expected JSON Schema; patterns without look-around'),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "$ref": "https://example.com/a.json"}', "it refers to"),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "not": {"$ref": "#/none"}}', "not a JSON Schema"),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "properties": 7}', "not a JSON Schema at /properties:"),
        (SCALE, b'{"type": "object", "x-stream": "sensor", "not": {"type": "integr"}}', "not a JSON Schema"),
        ("pos.sale.v2", b"{}", "its name is no event type of a site"),
        ("dev.storeforward.scale.v1", b"{}", "its name is no event type of a site"),
        ("scale", b"{}", "its name is no event type of a site"),
    ],
)  # fmt: skip
def test_a_schema_file_that_cannot_be_used_is_named_with_what_was_expected(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    file = tmp_path / f"{name}.json"
    file.write_bytes(content)
    with pytest.raises(SettingsRefused) as refused:
        load_site_types(EventSettings(types_folder=str(tmp_path)))
    assert str(file) in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_schemas_is_refused(tmp_path: Path, make: bool) -> None:  # noqa: FBT001 - a parameter
    folder = tmp_path / "types"
    if make:
        folder.mkdir()
    with pytest.raises(SettingsRefused, match=r"a folder of JSON Schema files|1 to 256 of them"):
        load_site_types(EventSettings(types_folder=str(folder)))


def test_a_schema_of_draft_07_is_taken_as_such(tmp_path: Path) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#", "x-stream": "stock", "type": "object",
        "properties": {"pair": {"items": [{"type": "integer"}, {"type": "string"}]}},
    }  # fmt: skip
    types = declared(tmp_path, schema)
    assert sent({"type": SCALE, "data": {"pair": [1, "a"]}}, types)["stream"] == "stock"
    assert 'data.pair[1]: not of type "string"' in refusal({"type": SCALE, "data": {"pair": [1, 2]}}, types)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{SCALE}.json").mkdir()
    with pytest.raises(SettingsRefused, match=rf"{SCALE}.json: cannot be read: Is a directory; expected a file"):
        load_site_types(EventSettings(types_folder=str(tmp_path)))


def test_every_bad_file_of_a_folder_is_named(tmp_path: Path) -> None:
    for name in ("com.example.a.v1", "com.example.b.v1"):
        (tmp_path / f"{name}.json").write_bytes(b"{")
    with pytest.raises(SettingsRefused) as refused:
        load_site_types(EventSettings(types_folder=str(tmp_path)))
    assert [Path(problem.path).stem for problem in refused.value.problems] == ["com.example.a.v1", "com.example.b.v1"]


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "(.*a){12}$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_that_would_stop_other_engines_takes_no_time(tmp_path: Path, pattern: str) -> None:
    schema = {"type": "object", "x-stream": "sensor", "properties": {"a": {"pattern": pattern}}}
    types = declared(tmp_path, schema)
    event = {"type": SCALE, "data": {"a": "a" * 50_000 + "!"}}
    began_s = time.process_time()
    assert "data.a: does not match" in refusal(event, types)
    assert time.process_time() - began_s < 2.0


@pytest.mark.parametrize(
    "data", [{"note": "secret-7"}, {"list": ["secret-7"]}, {"one": "secret-7"}, {"none": "secret-7"}]
)
def test_no_refusal_repeats_what_an_event_holds(tmp_path: Path, data: Json) -> None:
    schema = {
        "type": "object", "x-stream": "sensor",
        "properties": {
            "note": {"maxLength": 3}, "list": {"items": {"type": "integer"}}, "one": {"const": 5},
            "none": {"not": {"type": "string"}},
        },
    }  # fmt: skip
    told = refusal({"type": SCALE, "data": data}, declared(tmp_path, schema))
    assert told.startswith("data.")
    assert "secret-7" not in told


# --- unknown, kept -----------------------------------------------------------------------------------------


@pytest.mark.case("D2")
def test_d2_an_unknown_type_is_kept_unread_where_settings_allow_it() -> None:
    full = {
        "specversion": "1.0", "id": "a", "source": "/store-1/box-1/till-1", "type": "com.example.gift-card.v1",
        "dataschema": "https://example.com/gift-card.json", "data": {"value": "5.00", "list": [1, 2.5, None]},
    }  # fmt: skip
    event = sent(full, load_site_types(KEEP))
    assert event["stream"] == "health"
    assert {key: event[key] for key in full} == full
    assert "unknown event type" in refusal(full, NO_SITE_TYPES)


@pytest.mark.case("D2")
def test_d2_another_version_of_a_known_type_is_kept_in_that_types_stream() -> None:
    for name in ("pos.sale.v9", "dev.storeforward.pos.sale.v9"):
        event = sent({"type": name, "data": {"total": "1.00"}}, load_site_types(KEEP))
        assert event["type"] == "dev.storeforward.pos.sale.v9"
        assert event["stream"] == Stream.SALES
        assert "dataschema" not in event


@pytest.mark.case("D2")
def test_d2_another_version_of_a_declared_type_is_kept_in_that_types_stream(tmp_path: Path) -> None:
    types = SiteTypes(declared(tmp_path).declared, Stream.SALES)
    assert sent({"type": "com.example.scale.reading.v2", "data": {"x": 1}}, types)["stream"] == "sensor"
    assert sent({"type": "com.example.scale.tare.v1", "data": {"x": 1}}, types)["stream"] == "sales"
    (tmp_path / f"{SCALE}.json").unlink()
    without = SiteTypes(declared(tmp_path, name="com.example.scale").declared, Stream.SALES)
    assert sent({"type": "com.example.till", "data": {"x": 1}}, without)["stream"] == "sales"


def test_a_slip_in_a_sites_own_name_is_told_with_the_right_one(tmp_path: Path) -> None:
    told = refusal({"type": "com.example.scale.readng.v1", "data": {}}, declared(tmp_path))
    assert f"expected {SCALE}?" in told


@pytest.mark.case("D2")
@pytest.mark.parametrize(
    "name",
    ["pos.sael.v1", "pos.sale", "dev.storeforward.pos.sael.v1", "audit.day_closed.v9", "audit.other.v1", "x", "a.b",
     "com.example", "com..x.v1", "com.example.+.v1", "com.example.#", "com.example.a/b.v1", "com.example." + "x" * 128],
)  # fmt: skip
def test_d2_slips_and_words_of_the_agent_are_refused_all_the_same(name: str) -> None:
    assert "type: " in refusal({"type": name, "data": {}}, load_site_types(KEEP))


NUMBERS = st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text('ab\u00e4\u00df_ ."\\\n', max_size=9)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
OBJECTS = st.dictionaries(st.text(max_size=9) | st.sampled_from(["model_config", "_private", "self", "data"]), VALUES)


@given(data=OBJECTS, is_ascii=st.booleans(), indent=st.none() | st.integers(0, 3), listed=st.booleans())
def test_what_is_kept_unread_is_what_was_sent_to_the_byte(
    data: Json, *, is_ascii: bool, indent: int | None, listed: bool
) -> None:
    event = {"data": data, "type": "com.example.any.v1"}
    body = json.dumps([scan("a"), event] if listed else event, ensure_ascii=is_ascii, indent=indent)
    try:
        draft = decoder(load_site_types(KEEP)).decode(body.encode(), "till-1")[-1]
    except (EventRefused, UnicodeEncodeError) as refused:
        assert any(word in str(refused) for word in ("NUL", "surrogate", "card"))  # noqa: PT017 - either is right
        return
    as_sent = json.dumps(data, ensure_ascii=is_ascii, separators=(",", ":"))
    assert draft.opening.endswith(b',"data":' + as_sent.encode())


@pytest.mark.parametrize(
    "number", ["1.10", "0.1000000000000000055511", "1E5", "-0.0", "1e-7", "123456789012345678", "12345.678901234567890"]
)
def test_a_sites_number_keeps_each_of_its_digits(tmp_path: Path, number: str) -> None:
    body = b'{"type": "%b", "data": { "n" : %b }}' % (SCALE.encode(), number.encode())
    for types in (load_site_types(KEEP), declared(tmp_path, {"type": "object", "x-stream": "sensor"})):
        (draft,) = decoder(types).decode(body, "till-1")
        assert draft.opening.endswith(b'"data":{"n":%b}' % number.encode())


@pytest.mark.parametrize(
    ("name", "is_one"),
    [(SCALE, True), ("pos.sale.v1", False), ("dev.storeforward.x.v1", False), ("com.example", False), ("x", False)],
)
def test_a_sites_name_is_a_reverse_domain_name_that_is_not_ours(name: str, *, is_one: bool) -> None:
    assert is_site_name(name) is is_one


# --- through an agent --------------------------------------------------------------------------------------


@pytest.mark.case("D2")
async def test_d2_an_agent_takes_lists_and_stores_a_sites_type_beside_what_it_keeps_unread(tmp_path: Path) -> None:
    types = tmp_path / "event-types"
    types.mkdir()
    declared(types)
    settings = settings_toml(link={"enabled": False}, events={"types_folder": "event-types", "unknown_types": "keep"})
    async with running_agent(tmp_path, settings) as agent:
        good = {"type": SCALE, "id": "good", "data": {"scale_id": "s-1", "grams": 5}}
        unread = {"type": "com.example.other.v1", "id": "unread", "data": {"any": [1]}}
        assert (await agent.post([good, unread]))[0] == 201
        code, problem = await agent.post([{**good, "id": "bad", "data": {}}])
        assert code == 400
        assert problem["problems"][0]["path"] == "[0].data.scale_id"
        async with agent.session() as session, session.get("http://agent/v1/event-types") as answer:
            listed = {row["type"]: row for row in (await answer.json())["types"]}
    assert listed[SCALE]["data_schema"] == SCALE_SCHEMA
    assert "dev.storeforward.pos.sale.v1" in listed
    with raw(agent.folder.log / "events.sqlite") as connection:
        stored = dict(connection.execute("SELECT id, stream FROM event WHERE stream = 'sensor'"))
    assert stored == {"good": "sensor", "unread": "sensor"}


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    text = (ROOT / "docs/event-types.md").read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]
    assert SCALE in text
    event = sent({"type": SCALE, "data": {"scale_id": "s-1", "grams": 345}}, declared(tmp_path, json.loads(example)))
    assert event["stream"] == "sensor"
