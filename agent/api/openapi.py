"""The OpenAPI 3.1 document, made from the route table, so that it cannot say anything else than what is served."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from agent.api.door import PRODUCER_HEADER
from agent.api.event_schemas import REF_TEMPLATE, event_data_schemas
from agent.api.refusal import PROBLEM_JSON, TITLES, ProblemDocument
from agent.api.route import Access, Answer, Body, Parameter, Route

__all__ = ["openapi_document"]

_Json = dict[str, Any]  # Any: an OpenAPI document is JSON
_Model = tuple[type[BaseModel], JsonSchemaMode]
_Schemas = Mapping[tuple[Any, JsonSchemaMode], _Json]  # Any: pydantic also takes dataclasses here

DESCRIPTION: Final = (
    "The API of one shop's agent. On the Unix socket the group of the socket file decides who may call, and producers "
    f"name themselves by the header {PRODUCER_HEADER}; over TCP each producer has a token."
)


def openapi_document(routes: Iterable[Route], version: str) -> _Json:
    """The whole document as JSON values."""
    table = list(routes)
    schemas, components = models_json_schema(sorted(_models(table), key=str), ref_template=REF_TEMPLATE)
    events = event_data_schemas()
    documents = components["$defs"]
    assert all(events[name] == documents[name] for name in events.keys() & documents.keys()), "one name, two schemas"
    paths: dict[str, _Json] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Storeforward agent", "version": version, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": {**documents, **events},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "storeforward producer add NAME"},
                "socket": {
                    "type": "apiKey",
                    "in": "header",
                    "name": PRODUCER_HEADER,
                    "description": "Unix socket only",
                },
            },
        },
    }


def _models(routes: Iterable[Route]) -> set[_Model]:
    found: set[_Model] = {(ProblemDocument, "serialization")}
    for route in routes:
        if route.body is not None and isinstance(route.body.content, type):
            found.add((route.body.content, "validation"))
        for answer in route.answers.values():
            found |= {(model, "serialization") for model in answer.content.values() if model is not None}
    return found


def _operation(route: Route, schemas: _Schemas) -> _Json:
    operation: _Json = {
        "operationId": route.operation,
        "summary": route.summary,
        "responses": dict(_responses(route, schemas)),
        "security": _SECURITY[route.access],
    }
    if route.parameters:
        operation["parameters"] = [_parameter(parameter) for parameter in route.parameters]
    if route.body is not None:
        operation["requestBody"] = _request_body(route.body, schemas)
    return operation


_SECURITY: Final[dict[Access, list[dict[str, list[str]]]]] = {
    Access.ANYONE: [],
    Access.MACHINE: [{}, {"token": []}],
    Access.PRODUCER: [{"token": []}, {"socket": []}],
    Access.LOCAL: [{}],
}


def _responses(route: Route, schemas: _Schemas) -> Iterator[tuple[str, _Json]]:
    for status, answer in route.answers.items():
        yield str(status), _response(answer, schemas)
    problem = {"content": {PROBLEM_JSON: {"schema": schemas[ProblemDocument, "serialization"]}}}
    for status in route.error_statuses:
        yield str(status), {"description": TITLES[status], **problem}


def _response(answer: Answer, schemas: _Schemas) -> _Json:
    content = {
        media_type: {"schema": {"type": "string"} if model is None else schemas[model, "serialization"]}
        for media_type, model in answer.content.items()
    }
    return {"description": answer.description, "content": content}


def _parameter(parameter: Parameter) -> _Json:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.where == "path",
        "schema": dict(parameter.schema),
    }


def _request_body(body: Body, schemas: _Schemas) -> _Json:
    if body.content is None:
        schema: _Json = {"type": "string"}
    elif isinstance(body.content, type):
        schema = schemas[body.content, "validation"]
    else:
        schema = dict(body.content)
    return {"required": True, "content": {media_type: {"schema": schema} for media_type in body.media_types}}
