"""Reads the event types that a site declares: one JSON Schema file each, named by its type.

`com.example.scale.reading.v1.json` is a JSON Schema (2020-12) of the event's `data`; its keyword `x-stream` says to
which stream such events go. References stay within the file, so that nothing is fetched. A `pattern` is matched in time
that grows with the text alone, whatever it is.
"""

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from agent.errors import EventRefused, Problem, SettingsRefused
from agent.event_model import Stream
from agent.settings import EventSettings
from agent.site_types import SiteData, SiteType, SiteTypes, is_site_name
from agent.strict_json import parse_strictly

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

__all__ = ["load_site_types"]

FILE_BYTES_MAX: Final = 262_144
FILES_MAX: Final = 256
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
DRAFTS: Final = frozenset({DRAFT, "http://json-schema.org/draft-07/schema"})
PROBLEMS_MAX: Final = 20
TEXT_CHARS_MAX: Final = 200
STREAMS: Final = tuple(stream.value for stream in Stream if stream not in {Stream.AUDIT, Stream.AGV})
"""Those that producers may write to; the others are the agent's own word."""

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
    draft = value.get("$schema", DRAFT)
    if not isinstance(draft, str) or draft.rstrip("#") not in DRAFTS:
        raise _Unusable(f"$schema is {json.dumps(draft)[:80]}", f"{DRAFT}, or that of draft-07")
    if value.get("type") != "object":
        raise _Unusable('no "type": "object"', "a schema of the event's data, which is a JSON object")
    return value


def _checker(schema: Schema) -> Callable[[Any], list[Problem]]:  # Any: a JSON value
    import jsonschema_rs  # noqa: PLC0415 - only sites that declare types need it

    outside: list[str] = []

    def refuse(uri: str) -> NoReturn:
        outside.append(uri)
        raise LookupError(uri)

    schema = {"$schema": DRAFT, **schema}
    try:
        validator = jsonschema_rs.validator_for(
            schema, validate_formats=False, retriever=refuse, mask="it", pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        if outside:
            expected = "references within the file, such as #/$defs/reading"
            named = outside[0].removeprefix("json-schema:///")[:80]
            raise _Unusable(f"it refers to {named!r}", expected) from None
        steps = error.instance_path if isinstance(error, jsonschema_rs.ValidationError) else []
        where = f" at /{'/'.join(map(str, steps))}" if steps else ""
        problem = f"not a JSON Schema{where}: {getattr(error, 'message', error)}"[:TEXT_CHARS_MAX]
        raise _Unusable(problem, "JSON Schema; patterns without look-around and back-references") from None

    def check(value: Any) -> list[Problem]:  # Any: a JSON value
        return [_problem(error) for error in islice(validator.iter_errors(value), PROBLEMS_MAX)]

    return check


def _problem(error: "ValidationError") -> Problem:
    """In our words; the schema's own texts stand in it, the event's values do not."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:60]}" for step in error.instance_path)
    kind = error.kind.as_dict()
    if error.kind.name == "required":
        return Problem(f"{path}.{kind['property'][:60]}", "missing", "this field")
    if error.kind.name in {"additionalProperties", "unevaluatedProperties"}:
        return Problem(f"{path}.{kind['unexpected'][0][:60]}", "unknown field", "only fields of the site's schema")
    problem = error.message.removeprefix("it is ").removeprefix("it ")
    return Problem(path, problem[:TEXT_CHARS_MAX], "what the site's schema says")
