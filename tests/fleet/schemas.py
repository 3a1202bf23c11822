"""The official 2.1.0 schemas, as they ship in the package `vda5050-sdk`: an oracle that is not ours."""

import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest

SDK = find_spec("vda5050")
NEEDS_SCHEMAS = pytest.mark.skipif(SDK is None, reason="the package vda5050-sdk (official 2.1.0 schemas) is missing")


@lru_cache
def validator(topic: str) -> Any:  # jsonschema ships no types
    assert SDK
    assert SDK.origin
    path = Path(SDK.origin).parent / "validation" / "schemas" / f"{topic}.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if topic == "state":  # its own text (6.11) has PAUSED; the schema forgot it
        statuses = schema["properties"]["actionStates"]["items"]["properties"]["actionStatus"]["enum"]
        statuses.append("PAUSED")
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def problems(topic: str, body: bytes) -> list[str]:
    """What the schema of a topic has against a body."""
    return [error.message for error in validator(topic).iter_errors(json.loads(body))]
