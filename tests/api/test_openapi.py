"""The OpenAPI document is valid, and says exactly what is served."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types
from openapi_spec_validator import OpenAPIV31SpecValidator

from agent.event_types import EVENT_TYPES
from tests.api.api_world import CheckedClient, World
from tests.examples import EXAMPLES


def as_strings(name: str) -> Any:  # Any: JSON
    """The example with its quantities as text, which is the form that is documented; integers are taken as well."""
    data = EVENT_TYPES[name].model.model_validate(EXAMPLES[name])
    return data.model_dump(mode="json", exclude_none=True)


PUBLIC = {"/livez", "/readyz", "/v1/openapi.json"}


async def test_the_document_is_valid_and_served(world: World) -> None:
    reply = await world.remote().get("/v1/openapi.json")
    assert reply.status == 200
    assert reply.json["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(reply.json).validate()
    assert reply.json["paths"] == json.loads(json.dumps(world.document["paths"]))


async def test_every_route_is_documented_and_every_documented_one_is_served(world: World) -> None:
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in world.api.application().router.routes()
        if route.resource is not None
    }
    documented = {(method, path) for path, item in world.document["paths"].items() for method in item}
    assert served == documented
    assert len(served) == len(world.api.routes)


async def test_operation_ids_are_unique_and_summaries_are_there(world: World) -> None:
    operations = [operation for item in world.document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] and operation["responses"] for operation in operations)


async def test_only_harmless_routes_go_without_security(world: World) -> None:
    without = {path for path, item in world.document["paths"].items() for op in item.values() if op["security"] == []}
    assert without == PUBLIC


def _event_validator(document: Any) -> Draft202012Validator:  # Any: JSON
    body = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return Draft202012Validator({**body, "components": document["components"]})


@pytest.mark.parametrize("name", EVENT_TYPES)
async def test_the_documented_schema_takes_what_a_producer_may_send(world: World, name: str) -> None:
    validator = _event_validator(world.document)
    short = {"type": name, "data": as_strings(name)}
    full = {**short, "specversion": "1.0", "id": "e", "source": "/s/d/p", "type": f"dev.storeforward.{name}"}
    for event in (short, full, [short, full]):
        assert validator.is_valid(event) is not EVENT_TYPES[name].is_audit


@pytest.mark.parametrize(
    "event", [{}, [], {"type": "pos.scan.v1"}, {"type": "nothing.v1", "data": {}}, {"type": "pos.scan.v1", "data": 1}]
)
async def test_the_documented_schema_refuses_what_is_no_event(world: World, event: Any) -> None:  # Any: JSON
    assert not _event_validator(world.document).is_valid(event)


async def test_event_types_are_listed_with_their_schemas(till: CheckedClient) -> None:
    reply = await till.get("/v1/event-types")
    rows = {row["name"]: row for row in reply.json["types"]}
    assert set(rows) == set(EVENT_TYPES)
    for name, row in rows.items():
        assert (row["type"], row["stream"]) == (f"dev.storeforward.{name}", EVENT_TYPES[name].stream)
        Draft202012Validator(row["data_schema"]).validate(as_strings(name))


async def test_unknown_paths_and_methods_are_problem_documents(till: CheckedClient) -> None:
    reply = await till.get("/v1/nothing", checked=False)
    assert (reply.status, reply.kind) == (404, "unknown_path")
    reply = await till.call("DELETE", "/v1/events", checked=False)
    assert (reply.status, reply.kind, reply.headers["Allow"]) == (405, "method", "POST")
    assert reply.headers["Content-Type"] == "application/problem+json"
