"""Reads the event types that a site declares: one JSON Schema file each, named by its type.

`com.example.scale.reading.v1.json` is a JSON Schema (draft-07) of the event's `data`; its keyword `x-stream` says to
which stream such events go. References stay within the file, so that nothing is fetched.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from agent.errors import EventRefused, Problem, SettingsRefused
from agent.event_model import Stream
from agent.settings import EventSettings
from agent.site_types import SiteData, SiteType, SiteTypes, is_site_name
from agent.strict_json import parse_strictly

__all__ = ["load_site_types"]

FILE_BYTES_MAX: Final = 262_144
FILES_MAX: Final = 256
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
STREAMS: Final = tuple(stream.value for stream in Stream if stream not in {Stream.AUDIT, Stream.AGV})
"""Those that producers may write to; the others are the agent's own word."""

_UNTOLD: Final = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What the compiler raises of a schema whose keywords hold something else than they should."""

Schema = dict[str, Any]  # Any: JSON Schema is JSON


def load_site_types(settings: EventSettings) -> SiteTypes:
    """What the settings say of event types beyond the vocabulary.

    Raises:
        SettingsRefused: the folder or a file in it cannot be used; it names each with what was expected.
    """
    declared: dict[str, SiteType] = {}
    problems: list[Problem] = []
    for file in _files(settings.types_folder):
        try:
            row = _read(file)
            declared[row.name] = row
        except _Unusable as unusable:
            problems.append(Problem(str(file), unusable.problem, unusable.expected))
    if problems:
        raise SettingsRefused(*problems[:20])
    keeps = settings.unknown_types == "keep"
    return SiteTypes(declared, Stream(settings.unknown_stream) if keeps else None)


class _Unusable(Exception):
    """A schema file that cannot be used."""

    def __init__(self, problem: str, expected: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected


def _files(folder: str) -> list[Path]:
    if not folder:
        return []
    expected = "a folder of JSON Schema files, such as com.example.scale.reading.v1.json"
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix == ".json")
    except OSError as error:
        raise SettingsRefused(Problem(f"events.types_folder {folder}", f"{error.strerror}", expected)) from error
    if not 0 < len(files) <= FILES_MAX:
        raise SettingsRefused(
            Problem(f"events.types_folder {folder}", f"{len(files):,} *.json files", f"1 to {FILES_MAX} of them")
        )
    return files


def _read(file: Path) -> SiteType:
    name = file.name.removesuffix(".json")
    if not is_site_name(name):
        raise _Unusable(
            "its name is no event type of a site", "a reverse domain name that is yours, such as com.example.scale.v1"
        )
    schema = _parsed(file)
    stream = schema.get("x-stream")
    if stream not in STREAMS:
        raise _Unusable(f"x-stream is {json.dumps(stream)[:80]}", f"one of {', '.join(STREAMS)}")
    title = schema.get("title", "")
    return SiteType(name, Stream(stream), SiteData, "", str(title)[:200], schema, _checker(schema))


def _parsed(file: Path) -> Schema:
    try:
        value = parse_strictly(file.read_bytes(), bytes_max=FILE_BYTES_MAX)
    except OSError as error:
        raise _Unusable(f"cannot be read: {error.strerror}", "a file that this user can read") from error
    except EventRefused as refused:
        raise _Unusable(f"not usable JSON: {refused}", "a JSON Schema") from None
    if not isinstance(value, dict):
        raise _Unusable("not a JSON object", "a JSON Schema")
    if value.get("$schema", DRAFT).rstrip("#") != DRAFT.rstrip("#"):
        raise _Unusable(f"$schema is {value['$schema'][:80]!r}", f"draft-07, {DRAFT!r}, or none")
    if value.get("type") != "object":
        raise _Unusable('no "type": "object"', "a schema of the event's data, which is a JSON object")
    if outside := next((ref for ref in _references(value) if not ref.startswith("#")), None):
        raise _Unusable(f"it refers to {outside[:80]!r}", "references within the file, such as #/definitions/reading")
    return value


def _references(value: Any) -> Iterator[str]:  # Any: JSON
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield str(item)
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _checker(schema: Schema) -> Callable[[Any], Problem | None]:  # Any: a JSON value
    import fastjsonschema  # noqa: PLC0415 - only sites that declare types need it

    try:
        validate = fastjsonschema.compile(schema, use_default=False, use_formats=False)
    except (fastjsonschema.JsonSchemaDefinitionException, *_UNTOLD) as error:
        raise _Unusable(f"not a JSON Schema: {str(error)[:200]}", "JSON Schema, draft-07") from error

    def check(value: Any) -> Problem | None:  # Any: a JSON value
        try:
            validate(value)
        except fastjsonschema.JsonSchemaValueException as refused:
            steps = "".join(f"[{step}]" if step.isdecimal() else f".{step[:60]}" for step in refused.path[1:])
            problem = str(refused).removeprefix(str(refused.name)).strip()
            return Problem(steps, problem, "what the site's schema says")
        return None

    return check
