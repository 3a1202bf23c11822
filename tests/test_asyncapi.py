"""The AsyncAPI document is valid by AsyncAPI's own schema, and whatever a device and its cloud say is as it says."""

import asyncio
import json
import re
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from agent import __version__
from agent.asyncapi import asyncapi_document
from agent.clock import SystemClock
from agent.event_types import EVENT_TYPES
from agent.events import EventDecoder, Origin, close_event, event_ending
from agent.link.compression import MAGIC, decompressed
from agent.settings import EventSettings
from agent.site_type_files import load_site_types
from agent.site_types import NO_SITE_TYPES, SiteTypes
from agent.topics import Topic, parse_topic
from sim.broker import running_broker
from sim.cloud.ledger import Ledger
from sim.cloud.packs import publish_pack
from sim.cloud.twin import CloudTwin
from tests.cli.command import invoke
from tests.examples import EXAMPLES
from tests.link.device import NAME, device
from tests.link.peers import until
from tests.sources import ROOT

SPECIFICATION = ROOT / "tests/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
DOCUMENT = asyncapi_document(__version__, NO_SITE_TYPES)
BINARY = {"chunk", "compressedEventBatch"}
SCALE = "com.example.scale.reading.v1"
SCALE_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-stream": "stock",
    "type": "object",
    "required": ["grams"],
    "properties": {"grams": {"$ref": "#/$defs/grams"}},
    "$defs": {"grams": {"type": "integer"}},
}


def payload_problems(message: str, payload: Any, document: Any = DOCUMENT) -> list[str]:  # Any: JSON
    """What a message's payload is not, of that which the document says."""
    schema = {**document["components"]["messages"][message]["payload"], "components": document["components"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(payload)]


def channel_of(topic: str) -> str:
    """The channel whose address a topic fits."""
    (found,) = (
        name
        for name, channel in DOCUMENT["channels"].items()
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(channel["address"])), topic)
    )
    return str(found)


def specification_problems(document: Any) -> list[str]:  # Any: JSON
    """What AsyncAPI's own schema says against a document."""
    specification = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    return [error.message for error in Draft7Validator(specification).iter_errors(document)]


def test_the_document_is_valid_and_one_that_is_not_would_be_found() -> None:
    assert specification_problems(DOCUMENT) == []
    assert specification_problems({**DOCUMENT, "operations": {"sendEvents": {"action": "shout"}}})


@pytest.mark.parametrize("name", DOCUMENT["channels"])
def test_every_address_is_a_topic_of_ours(name: str) -> None:
    topic = re.sub(r"\{\w+\}", "1", DOCUMENT["channels"][name]["address"])
    assert isinstance(parse_topic(topic), Topic)


def stored(event: dict[str, Any], site_types: SiteTypes = NO_SITE_TYPES) -> dict[str, Any]:  # Any: JSON
    """An event of ours as the log keeps and sends it."""
    decoder = EventDecoder(Origin(NAME), wall=SystemClock().wall, new_id=lambda: "id-1", site_types=site_types)
    row = EVENT_TYPES.get(event["type"])
    if row and row.is_audit:
        draft = decoder.make(row.model.model_validate(event["data"]), "agent")
    else:
        (draft,) = decoder.decode(json.dumps(event).encode(), "till-1")
    found: dict[str, Any] = json.loads(
        close_event(draft.opening, 1, event_ending("e", "2026-11-28T10:00:00Z", clock_synced=True))
    )
    return found


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_the_schemas_take_each_event_as_it_is_sent_and_newer_fields_but_no_other_data(name: str) -> None:
    event = stored({"type": name, "data": EXAMPLES[name]})
    assert payload_problems("eventBatch", [event]) == []
    assert payload_problems("event", event) == []
    assert payload_problems("event", {**event, "data": {"nothing": "of this type"}})
    assert payload_problems("event", {**event, "data": {**event["data"], "newer": 1}, "newer": 2}) == []


@pytest.mark.parametrize("key", ["sequence", "epoch", "recordedtime", "clocksynced", "stream", "id", "source", "time"])
def test_an_event_without_its_place_is_none(key: str) -> None:
    event = stored({"type": "pos.scan.v1", "data": EXAMPLES["pos.scan.v1"]})
    del event[key]
    assert payload_problems("event", event)


async def test_all_that_goes_over_a_broker_is_as_the_document_says(tmp_path: Path) -> None:
    heard: dict[str, set[str]] = {}

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            name = channel_of(message.topic.value)
            assert isinstance(message.payload, bytes)
            known = [one for one in DOCUMENT["channels"][name]["messages"] if one not in BINARY]
            framed = message.payload.startswith(MAGIC)
            payload = decompressed(message.payload) if framed else message.payload
            fits = {one for one in known if not payload_problems(one, json.loads(payload))}
            assert fits or not known, (message.topic.value, message.payload)
            if framed:
                assert fits == {"eventBatch"}
                fits = {"compressedEventBatch"}
            heard.setdefault(name, set()).update(fits)

    async with AsyncExitStack() as stack:
        ledger = stack.enter_context(closing(Ledger.open(tmp_path / "ledger.sqlite", SystemClock())))
        broker = await stack.enter_async_context(running_broker("mosquitto", tmp_path / "broker"))
        client = await stack.enter_async_context(aiomqtt.Client(broker.host, broker.port))
        await client.subscribe("sf/#", qos=1)
        listening = asyncio.create_task(listen(client))
        twin = asyncio.create_task(CloudTwin(ledger, broker.host, broker.port).run())
        one = await stack.enter_async_context(device(tmp_path, broker.port))
        for name in (name for name, row in EVENT_TYPES.items() if not row.is_audit):
            await one.append(name)
        await one.delivered()
        await publish_pack(client, NAME, "offers", 1, b"{}")
        await until(lambda: listening.done() or heard.keys() == DOCUMENT["channels"].keys())
        await until(lambda: listening.done() or one.link.status().encoding == "zstd")
        await one.append("pos.scan.v1", 20)
        await until(lambda: listening.done() or "compressedEventBatch" in heard["events"])
        for task in (listening, twin):
            task.cancel()
            await asyncio.wait([task])
        assert listening.cancelled(), listening.exception()


def test_the_command_prints_it() -> None:
    result = invoke("asyncapi")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == DOCUMENT


def test_a_sites_own_types_are_in_it_with_what_their_schemas_refer_to(tmp_path: Path) -> None:
    (tmp_path / f"{SCALE}.json").write_text(json.dumps(SCALE_SCHEMA), encoding="utf-8")
    config = tmp_path / "store.toml"
    config.write_text(f'[events]\ntypes_folder = "{tmp_path}"\n', encoding="utf-8")
    document = json.loads(invoke("asyncapi", "--config", config).stdout)
    assert specification_problems(document) == []
    site_types = load_site_types(EventSettings(types_folder=str(tmp_path)))
    event = stored({"type": SCALE, "data": {"grams": 5}}, site_types)
    only_this = {"$ref": f"#/components/schemas/Event.{SCALE}", "components": document["components"]}
    assert list(Draft202012Validator(only_this).iter_errors(event)) == []
    assert list(Draft202012Validator(only_this).iter_errors({**event, "data": {"grams": "5"}}))
    assert payload_problems("event", event, document) == []


def test_settings_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    result = invoke("asyncapi", "--config", tmp_path / "nowhere.toml")
    assert result.exit_code == 2
    assert "nowhere.toml" in result.stderr
