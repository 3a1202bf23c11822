"""The AsyncAPI 3.0 document of the cloud link: topics and messages, made from the models that write and check them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from agent.event_model import EventType, Stream
from agent.event_types import EVENT_TYPES
from agent.events import event_schema
from agent.link import BATCH_CONTENT_TYPE, EVENT_CONTENT_TYPE, Receipts, StateMessage, WillMessage
from agent.link.compression import PLAIN_BYTES_MAX, ZSTD
from agent.link.packets import CONTENT_ENCODING
from agent.packs import Manifest
from agent.site_types import SITE_NAME_PATTERN, SiteType, SiteTypes

__all__ = ["asyncapi_document"]

_Json = dict[str, Any]  # Any: an AsyncAPI document is JSON

_SCHEMA: Final = "#/components/schemas/{model}"
_BINDING_VERSION: Final = "0.2.0"
_DESCRIPTION: Final = (
    "What a shop's agent and the cloud say to each other over MQTT (5, or 3.1.1), from the agent's side: it sends "
    "events and its state, and receives receipts and packs. Delivery is at least once: a receiver that keeps (device, "
    "stream, epoch, sequence) unique has each event once. Readers ignore fields that they do not know."
)
_MODELS: Final[frozenset[type[BaseModel]]] = frozenset({StateMessage, WillMessage, Receipts, Manifest})
_PACK_PARAMETERS: Final = {
    "set": {"description": "What the pack holds, such as catalogue or offers"},
}
_CHUNK_PARAMETERS: Final = {
    **_PACK_PARAMETERS,
    "hash": {"description": "SHA-256 of the whole pack, as its manifest has it"},
    "number": {"description": "The chunk's number, from 0"},
}
_DEVICE: Final = {
    "site": {"$ref": "#/components/parameters/site"},
    "device": {"$ref": "#/components/parameters/device"},
}
_ENVELOPE: Final = {
    "specversion": {"const": "1.0"},
    "id": {"type": "string", "minLength": 1, "maxLength": 128},
    "source": {"type": "string", "description": "/{site}/{device}/{producer}"},
    "time": {"type": "string", "format": "date-time", "description": "when it happened"},
    "datacontenttype": {"const": "application/json"},
    "subject": {"type": "string"},
    "traceparent": {"type": "string", "description": "W3C Trace Context, where the producer gave one"},
    "market": {"type": "string"},
    "region": {"type": "string"},
    "sequence": {
        "type": "string",
        "pattern": r"^\d+$",
        "description": "1, 2, … within device, stream and epoch without a gap; zero-padded, so that it sorts as text",
    },
    "epoch": {"type": "string", "description": "changes when the device's log begins anew"},
    "recordedtime": {"type": "string", "format": "date-time", "description": "when the log took it"},
    "clocksynced": {"type": "boolean", "description": "whether the device's clock was synchronised then"},
}
_REQUIRED: Final = [
    *("specversion", "id", "source", "type", "time", "datacontenttype", "stream", "data"),
    *("sequence", "epoch", "recordedtime", "clocksynced"),
]


def asyncapi_document(version: str, site_types: SiteTypes) -> _Json:
    """The whole document as JSON values; the types that a site declares stand beside ours."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Storeforward link",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "parameters": {
                "site": {"description": "The shop: setting site.id"},
                "device": {"description": "The box in it: setting device.id"},
            },
            "messages": _messages(),
            "schemas": _schemas(site_types),
        },
    }


def _server() -> _Json:
    return {
        "host": "mqtt.example.com:8883",
        "protocol": "secure-mqtt",
        "protocolVersion": "5.0",
        "description": "Any broker with MQTT 5, or 3.1.1: settings link.host and link.port",
        "bindings": {
            "mqtt": {
                "clientId": "{device}@{site}",
                "cleanSession": True,
                "lastWill": {"topic": "sf/v1/{site}/{device}/state", "qos": 1, "retain": True},
                "bindingVersion": _BINDING_VERSION,
            }
        },
    }


# --- channels, operations, messages ---------------------------------------------------------------------------------


def _channels() -> _Json:
    device = "sf/v1/{site}/{device}"
    streams = {"stream": {"enum": [stream.value for stream in Stream], "description": "The unit of order"}}
    return {
        "events": _channel(
            f"{device}/evt/{{stream}}", {**_DEVICE, **streams}, "eventBatch", "compressedEventBatch", "event"
        ),
        "state": _channel(f"{device}/state", _DEVICE, "state", "will"),
        "receipts": _channel(f"{device}/ack", _DEVICE, "receipts"),
        "pack": _channel(f"{device}/dat/{{set}}", {**_DEVICE, **_PACK_PARAMETERS}, "manifest"),
        "packChunk": _channel(f"{device}/dat/{{set}}/{{hash}}/{{number}}", {**_DEVICE, **_CHUNK_PARAMETERS}, "chunk"),
    }


def _channel(address: str, parameters: Mapping[str, Any], *messages: str) -> _Json:  # Any: parameter objects
    return {
        "address": address,
        "parameters": dict(parameters),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operations() -> _Json:
    return {
        "sendEvents": _operation("send", "events", "Forward the log, each stream in its order", retain=False),
        "sendState": _operation("send", "state", "Say how this device is, at each connect and every 15 s", retain=True),
        "receiveReceipts": _operation("receive", "receipts", "Hear what the cloud's ledger has", retain=True),
        "receivePack": _operation("receive", "pack", "Hear of a new pack for this device", retain=True),
        "receivePackChunk": _operation("receive", "packChunk", "Fetch a part of it", retain=True),
    }


def _operation(action: str, channel: str, summary: str, *, retain: bool) -> _Json:
    binding: _Json = {"qos": 1, "bindingVersion": _BINDING_VERSION}
    if action == "send":
        binding["retain"] = retain
    told = "The message is retained." if retain else "The message is not retained."
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "description": told,
        "bindings": {"mqtt": binding},
    }


def _messages() -> _Json:
    event = {"$ref": _SCHEMA.format(model="Event")}
    return {
        "eventBatch": _message(
            "Events of one stream, in order: a JSON array of structured CloudEvents",
            {"type": "array", "items": event, "minItems": 1},
            BATCH_CONTENT_TYPE,
        ),
        "compressedEventBatch": _message(
            f"The same as one Zstandard frame (RFC 8878) of {PLAIN_BYTES_MAX:,} bytes at most; only for a ledger"
            " whose receipts accept zstd. MQTT 5 has its encoding as a user property; the first octets are 28 B5 2F FD",
            {"type": "string", "format": "binary"},
            BATCH_CONTENT_TYPE,
        )
        | {"headers": {"type": "object", "properties": {CONTENT_ENCODING: {"const": ZSTD}}}},
        "event": _message("One event, where link.batching is off", event, EVENT_CONTENT_TYPE),
        "state": _message("How the device is", _SCHEMA.format(model="StateMessage")),
        "will": _message("What the broker says of a device that is gone", _SCHEMA.format(model="WillMessage")),
        "receipts": _message("What the ledger has of each stream and epoch", _SCHEMA.format(model="Receipts")),
        "manifest": _message("Which version of a pack is current", _SCHEMA.format(model="Manifest")),
        "chunk": _message("A part of a pack", {"type": "string", "format": "binary"}, "application/octet-stream"),
    }


def _message(summary: str, payload: _Json | str, content_type: str = "application/json") -> _Json:
    return {
        "summary": summary,
        "contentType": content_type,
        "payload": {"$ref": payload} if isinstance(payload, str) else payload,
    }


# --- schemas --------------------------------------------------------------------------------------------------------


def _schemas(site_types: SiteTypes) -> _Json:
    models: set[type[BaseModel]] = {row.model for row in EVENT_TYPES.values()} | _MODELS
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_SCHEMA)
    data: _Json = {name: _rewritten(schema, _open) for name, schema in sorted(definitions["$defs"].items())}
    data |= {row.name: _moved(row) for row in site_types.declared.values()}
    rows = [(row, row.model.__name__) for row in EVENT_TYPES.values()]
    rows += [(row, row.name) for row in site_types.declared.values()]
    events = {f"Event.{row.name}": _event(row, data_name) for row, data_name in rows}
    forms = [{"$ref": _SCHEMA.format(model=name)} for name in (*events, "SiteEvent")]
    return {**data, **events, "SiteEvent": _site_event(), "Event": {"anyOf": forms}}


def _event(row: EventType, data_name: str) -> _Json:
    own = {
        "type": {"const": row.full_name},
        "stream": {"const": row.stream.value},
        "dataschema": {"const": event_schema(row.name)},
        "data": {"$ref": _SCHEMA.format(model=data_name)},
    }
    return {"type": "object", "required": _REQUIRED, "properties": {**_ENVELOPE, **own}}


def _site_event() -> _Json:
    own = {
        "type": {"type": "string", "pattern": SITE_NAME_PATTERN},
        "stream": {"enum": [stream.value for stream in Stream]},
        "dataschema": {"type": "string"},
        "data": {"type": "object"},
    }
    return {
        "type": "object",
        "description": "A type of a site's own, where its settings let it keep them",
        "required": _REQUIRED,
        "properties": {**_ENVELOPE, **own},
    }


def _rewritten(schema: Any, rewrite: Callable[[str, Any], Iterator[tuple[str, Any]]]) -> Any:  # Any: JSON
    """A schema whose every key went through `rewrite`, which gives what stands in its place."""
    if isinstance(schema, list):
        return [_rewritten(value, rewrite) for value in schema]
    if not isinstance(schema, dict):
        return schema
    pairs = (pair for key, value in schema.items() for pair in rewrite(key, value))
    return {key: _rewritten(value, rewrite) for key, value in pairs}


def _open(key: str, value: Any) -> Iterator[tuple[str, Any]]:  # Any: JSON
    """For readers: a field that they do not know is from a newer sender, and allowed."""
    if (key, value) != ("additionalProperties", False):
        yield key, value


def _moved(row: SiteType) -> _Json:
    """A site's schema as a part of this document: what it refers to in itself is further down now."""
    here = _SCHEMA.format(model=row.name)

    def moved(key: str, value: Any) -> Iterator[tuple[str, Any]]:  # Any: JSON
        if key == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/")):
            yield key, here + value[1:]
        elif key not in ("$id", "$schema"):
            yield key, value

    schema: _Json = _rewritten(dict(row.schema or {"type": "object"}), moved)
    return schema
