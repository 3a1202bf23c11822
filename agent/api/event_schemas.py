"""The JSON Schemas of events as producers send them, made from the event models."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from agent.event_types import EVENT_TYPES, TYPE_PREFIX
from agent.site_types import SITE_NAME_PATTERN, SiteTypes

__all__ = ["EVENTS_BODY", "EventTypeList", "EventTypeRow", "event_data_schemas", "event_type_list"]

_FORMS: Final = ("ShortEvent", "CloudEvent", "SiteEvent")
REF_TEMPLATE: Final = "#/components/schemas/{model}"

_Schema = dict[str, Any]  # Any: JSON Schema is JSON


class EventTypeRow(BaseModel):
    """One event type: the short and the full name, the stream it goes to, and the JSON Schema of its `data`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: str
    stream: str
    data_schema: Annotated[dict[str, Any], Field(description="JSON Schema")]  # Any: JSON Schema is JSON


class EventTypeList(BaseModel):
    """All event types."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    types: list[EventTypeRow]


def event_type_list(site_types: SiteTypes) -> EventTypeList:
    """Every type this agent takes, those of the site last."""
    ours = ((row, row.model.model_json_schema(mode="validation")) for row in EVENT_TYPES.values())
    sites = ((row, dict(row.schema or {})) for row in site_types.declared.values())
    return EventTypeList(
        types=[
            EventTypeRow(name=row.name, type=row.full_name, stream=row.stream, data_schema=schema)
            for row, schema in (*ours, *sites)
        ]
    )


def event_data_schemas() -> _Schema:
    """Components by name: the `data` of every event type that producers may send, and the forms that hold one."""
    rows = [row for row in EVENT_TYPES.values() if not row.is_audit]
    _, definitions = models_json_schema([(row.model, "validation") for row in rows], ref_template=REF_TEMPLATE)
    data = [{"$ref": REF_TEMPLATE.format(model=row.model.__name__)} for row in rows]
    names = sorted(row.name for row in rows)
    shared: Mapping[str, _Schema] = {
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "description": "the same id twice is the same event",
        },
        "time": {"type": "string", "format": "date-time", "description": "when it happened; now when left out"},
        "data": {"anyOf": data, "description": "as the type says"},
    }
    return {
        **definitions["$defs"],
        "ShortEvent": {
            "type": "object",
            "required": ["type", "data"],
            "additionalProperties": False,
            "properties": {"type": {"enum": [*names, *(TYPE_PREFIX + name for name in names)]}, **shared},
        },
        "CloudEvent": {
            "type": "object",
            "description": "CloudEvents 1.0, structured JSON",
            "required": ["specversion", "id", "source", "type", "data"],
            "additionalProperties": False,
            "properties": {
                "specversion": {"const": "1.0"},
                "source": {"type": "string", "description": "/{site}/{device}/{producer}, the producer's own"},
                "type": {"enum": [*(TYPE_PREFIX + name for name in names), *names]},
                "datacontenttype": {"const": "application/json"},
                "dataschema": {"type": "string"},
                "subject": {"type": "string"},
                "traceparent": {"type": "string"},
                **shared,
            },
        },
        "SiteEvent": {
            "type": "object",
            "description": "either form with a type of this site; GET /v1/event-types lists those that it declares",
            "required": ["type", "data"],
            "properties": {"type": {"type": "string", "pattern": SITE_NAME_PATTERN}, "data": {"type": "object"}},
        },
        "Event": {"anyOf": [{"$ref": REF_TEMPLATE.format(model=name)} for name in _FORMS]},
    }


_EVENT: Final = {"$ref": REF_TEMPLATE.format(model="Event")}
EVENTS_BODY: Final[Mapping[str, Any]] = {  # Any: JSON Schema is JSON
    "anyOf": [_EVENT, {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": 1_000}]
}
"""What `POST /v1/events` takes: one event or a list."""
