"""Settings from their layers: defaults, then one TOML file, then the environment; and where each value came from.

No text of a refusal repeats a value: it might be a secret in the wrong place.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from agent.errors import Problem, SettingsRefused
from agent.settings import Settings
from agent.settings_fields import SettingsField, repeated_fields, repeated_sections, settings_fields
from agent.toml_positions import KeyPath, key_lines, key_places, line_of

__all__ = ["VARIABLE_PREFIX", "Loaded", "default_settings_file", "load_settings"]

VARIABLE_PREFIX: Final = "STOREFORWARD__"
PACKAGED_FILE: Final = Path("/etc/storeforward/storeforward.toml")
FILE_BYTES_MAX: Final = 1_048_576
PROBLEMS_MAX: Final = 20

_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
_TWICE: Final = ("Cannot overwrite", "Cannot declare", "Duplicate")
_PROBLEMS: Final = {  # pydantic's error types, in words
    "greater_than": "out of range",
    "greater_than_equal": "out of range",
    "less_than": "out of range",
    "less_than_equal": "out of range",
    "finite_number": "not a finite number",
    "string_too_long": "too long",
    "string_too_short": "empty",
    "string_pattern_mismatch": "not in this form",
    "timezone_aware": "a time without its offset",
    "time_zone": "unknown time zone",
    "streams": "unknown stream",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and per dotted key `default`, `FILE:LINE` or `environment VARIABLE`."""

    settings: Settings
    origin: Mapping[str, str]


def default_settings_file() -> Path | None:
    """The packaged service's settings file, where there is one; without it the defaults apply."""
    return PACKAGED_FILE if PACKAGED_FILE.exists() else None


def load_settings(file: Path | None, environ: Mapping[str, str]) -> Loaded:
    """The settings of one agent; a relative file name in them starts at the folder of `file`.

    Raises:
        SettingsRefused: with up to 20 problems, each `file:line key: problem; expected …; example …`.
    """
    layers = _Layers(file)
    if file is not None:
        layers.add_file(_read(file))
    layers.add_environment(environ)
    settings = layers.settings()
    return Loaded(settings, {key: layers.places.get(key, "default") for key in _keys(settings)})


def _keys(settings: Settings) -> Iterator[str]:
    """Every key that there is: `vehicles[0].port` for those of repeated sections."""
    yield from settings_fields()
    for field in repeated_fields().values():
        for index in range(len(getattr(settings, field.section))):
            yield f"{field.section}[{index}].{field.name}"


class _Layers:
    """What was set so far, by whom, and what is wrong with it."""

    def __init__(self, file: Path | None) -> None:
        self.places: dict[str, str] = {}
        self._file = file
        self._lines: dict[KeyPath, int] = {}
        self._values: dict[str, Any] = {}  # Any: TOML
        self._problems: list[tuple[int, Problem]] = []  # with their line, 0 for the environment

    def add_file(self, text: str) -> None:
        self._values = _parse(str(self._file), text)
        self._lines = key_lines(text)
        for path, line in self._lines.items():
            self.places[_dotted(path)] = f"{self._file}:{line}"

    def add_environment(self, environ: Mapping[str, str]) -> None:
        for variable in sorted(name for name in environ if name.startswith(VARIABLE_PREFIX)):
            key = variable.removeprefix(VARIABLE_PREFIX).replace("__", ".").lower()
            field = settings_fields().get(key)
            if field is None or variable != field.variable:
                known = [other.variable for other in settings_fields().values()]
                near = get_close_matches(variable.upper(), known, 1)
                expected = near[0] if near else "a key of storeforward config example, such as " + known[0]
                self._problems.append((0, Problem(f"environment {variable[:120]}", "unknown setting", expected)))
                continue
            self.places[key] = f"environment {variable}"
            try:
                value = TypeAdapter(field.kind).validate_strings(environ[variable])
            except ValidationError:
                self._refuse(tuple(key.split(".")), field, "not of this kind", field.expected)
            else:
                self._put(field, value)

    def settings(self) -> Settings:
        folder = self._file.absolute().parent if self._file else None
        try:
            settings = Settings.model_validate(self._values, strict=True, context={"folder": folder})
        except ValidationError as error:
            for item in error.errors(include_url=False):
                self._refuse_item(item)
        if self._problems:
            in_order = sorted(self._problems, key=lambda found: found[0])
            raise SettingsRefused(*(problem for _, problem in in_order[:PROBLEMS_MAX]))
        return settings

    def _put(self, field: SettingsField, value: Any) -> None:
        table = self._values
        for part in field.key.split(".")[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                return  # the file has something else there, which is refused by its own line
        table[field.name] = value

    def _refuse_item(self, item: ErrorDetails) -> None:
        context = item.get("ctx", {})
        path = (*item["loc"], *_path(context["key"])) if item["type"] == "conflict" else item["loc"]
        key = _unnumbered(path)
        field = settings_fields().get(key) or repeated_fields().get(key)
        if item["type"] == "extra_forbidden":
            self._refuse_unknown(path, is_table=_is_table(item["input"]))
        elif item["type"] == "too_long":
            self._refuse(path, None, "too many", f"at most {context['max_length']}")
        elif field is None and key in repeated_sections():
            self._refuse(path, None, _kind_of(item["input"]), f"a section for each; example [[{key}]]")
        elif field is None:
            self._refuse(path, None, _kind_of(item["input"]), f"a table; example [{key}]")
        elif item["type"] == "missing":
            self._refuse(path, field, "missing", field.expected)
        elif item["type"] == "conflict":
            self._refuse(path, field, context["problem"], context["expected"])
        elif item["type"] == "literal_error" and isinstance(item["input"], str):
            self._refuse(path, field, "not one of the choices", field.expected)
        else:
            self._refuse(path, field, _PROBLEMS.get(item["type"]) or _kind_of(item["input"]), field.expected)

    def _refuse_unknown(self, path: KeyPath, *, is_table: bool) -> None:
        section, _, name = _unnumbered(path).rpartition(".")
        fields = settings_fields() | repeated_fields()
        here = [field.name for field in fields.values() if field.section == section]
        headers = {} if section else _headers()
        near = get_close_matches(name, headers if is_table else here, 1)
        elsewhere = [field for field in fields.values() if field.name == name]
        if near and is_table:
            expected = headers[near[0]]
        elif near:
            field = fields[f"{section}.{near[0]}".removeprefix(".")]
            expected = f"{field.name}; example {field.example}"
        elif elsewhere:
            header = _headers().get(elsewhere[0].section)
            expected = f"it in {header}" if header else "it before the first [section]"
        else:
            expected = "one of " + ", ".join([*here, *headers.values()])
        self._refuse(path, None, "unknown section" if is_table else "unknown key", expected)

    def _refuse(self, path: KeyPath, field: SettingsField | None, problem: str, expected: str) -> None:
        key = _dotted(path)
        place = self.places.get(key, "")
        line = 0
        if place.startswith("environment"):
            example = field.example_variable if field else ""
        else:
            line = line_of(self._lines, path) or 0
            place = f"{self._file}:{line}" if line else str(self._file or "")
            example = field.example if field else ""
        expected += f"; example {example}" if example else ""
        self._problems.append((line, Problem(f"{place} {key}".strip(), problem, expected)))


def _read(file: Path) -> str:
    remedy = "a TOML file; example storeforward config example > storeforward.toml"
    try:
        with file.open("rb") as opened:
            body = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else f"not readable ({error.strerror})"
        raise SettingsRefused(Problem(str(file), problem, remedy)) from None
    if len(body) > FILE_BYTES_MAX:
        raise SettingsRefused(Problem(str(file), "too large", f"at most {FILE_BYTES_MAX:,} bytes"))
    try:
        return body.decode("utf-8-sig") + "\n"
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise SettingsRefused(Problem(f"{file}:{line}", "not UTF-8", "a TOML file in UTF-8")) from None


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsRefused(_problem_of(name, text, str(error))) from None
    except RecursionError:
        raise SettingsRefused(Problem(name, "nested too deeply", "sections with keys")) from None
    except ValueError:  # an integer beyond Python's limit of 4,300 digits
        raise SettingsRefused(Problem(name, "a number of too many digits", "numbers of up to 18 digits")) from None


def _problem_of(name: str, text: str, said: str) -> Problem:
    """What tomllib said, with the key of that line where it can be told."""
    found = _AT_LINE.search(said)
    line = int(found[1]) if found else text.count("\n")
    message = said.removesuffix(" (at end of document)").removesuffix(found[0] if found else "")
    places = [(path, at) for path, at in key_places(text) if at <= line]
    key, at = (_dotted(places[-1][0]), places[-1][1]) if places else ("", 0)
    if places and message.startswith(_TWICE):
        first = next(other for path, other in places if path == places[-1][0])
        return Problem(f"{name}:{at} {key}", f"set twice, first in line {first}", "each key and section once")
    where = f"{name}:{line} {key}" if at == line else f"{name}:{line}"
    return Problem(where, f"not TOML: {message}", 'key = value, with texts in quotes; example id = "store-1"')


def _headers() -> dict[str, str]:
    """How each section begins in the file, by its name."""
    once = {field.section: f"[{field.section}]" for field in settings_fields().values() if field.section}
    return dict(sorted((once | {section: f"[[{section}]]" for section in repeated_sections()}).items()))


def _is_table(value: Any) -> bool:
    """Whether this was written as a section, or as several of one name."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))


def _path(key: str) -> KeyPath:
    return tuple(int(part) if part.isdigit() else part for part in key.split("."))


def _unnumbered(path: KeyPath) -> str:
    """The key without the numbers of repeated sections."""
    return ".".join(part for part in path if isinstance(part, str))


def _dotted(path: KeyPath) -> str:
    """A key for people, safe to print, such as `vehicles[0].port`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")[:120]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _kind_of(value: Any) -> str:
    """What a value is, without saying it."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "a table"}
    return kinds.get(type(value), "a list" if isinstance(value, list) else "a date or time")
