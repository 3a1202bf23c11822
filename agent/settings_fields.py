"""Every settings key in words: what it may be, its unit, its default and an example. Made from the models alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from agent.settings import Settings

__all__ = ["SettingsField", "repeated_fields", "repeated_sections", "settings_fields", "toml_value"]

_UNITS: Final = {
    "_per_s": "per second",
    "_s": "in seconds",
    "_days": "in days",
    "_hours": "in hours",
    "_bytes_max": "in bytes",
    "_events_max": "in events",
}
_KINDS: Final[dict[Any, str]] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True, slots=True)
class SettingsField:
    """One key. `section` is "" at the top of the file; a `repeated` one is written once for each thing."""

    section: str
    name: str
    info: FieldInfo
    repeated: bool = False

    @property
    def key(self) -> str:
        """The dotted key, such as `link.port`."""
        return f"{self.section}.{self.name}".removeprefix(".")

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "STOREFORWARD__" + self.key.replace(".", "__").upper()

    @property
    def kind(self) -> Any:
        """The type of a value, without its bounds."""
        return _without_none(self.info.annotation)

    @property
    def unit(self) -> str:
        return next((unit for end, unit in _UNITS.items() if self.name.endswith(end)), "")

    @property
    def expected(self) -> str:
        """What a value may be, such as `a whole number from 1 to 65535`."""
        extra = self.info.json_schema_extra
        if isinstance(extra, dict) and "expected" in extra:
            return str(extra["expected"])
        if get_origin(self.kind) is Literal:
            return "one of " + ", ".join(map(str, get_args(self.kind)))
        return _KINDS[self.kind] + _bounds(self.info)

    @property
    def default(self) -> str:
        """The default as it would stand in the file; "" when there is none."""
        return "" if self.info.is_required() else toml_value(self.info.default)

    @property
    def example(self) -> str:
        """A line of TOML that is accepted, such as `port = 1883`."""
        return f"{self.name} = {self._example_value}"

    @property
    def example_variable(self) -> str:
        """The same in the environment, such as `STOREFORWARD__LINK__PORT=1883`."""
        return f"{self.variable}={self._example_value.strip(chr(34))}"

    @property
    def _example_value(self) -> str:
        if not self.info.examples:
            return self.default
        example = self.info.examples[0]
        return str(example) if self.kind is AwareDatetime else toml_value(example)


@cache
def settings_fields() -> dict[str, SettingsField]:
    """All keys of `Settings` by dotted key, the ones without a section first, as TOML wants them."""
    fields = [SettingsField(section, name, info) for section, name, info in _walk(Settings, "")]
    return {field.key: field for field in sorted(fields, key=lambda field: field.section != "")}


@cache
def repeated_fields() -> dict[str, SettingsField]:
    """The keys of `[[sections]]` that may be written any number of times, such as `vehicles.port`."""
    return {
        f"{section}.{name}": SettingsField(section, name, info, repeated=True)
        for section, model in repeated_sections().items()
        for name, info in model.model_fields.items()
    }


@cache
def repeated_sections() -> dict[str, type[BaseModel]]:
    """The models of those sections."""
    found = {name: _repeated_model(info.annotation) for name, info in Settings.model_fields.items()}
    return {name: model for name, model in found.items() if model}


def toml_value(value: Any) -> str:
    """A setting's value in TOML; "" for None, which TOML cannot say."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def _walk(model: type[BaseModel], section: str) -> Iterator[tuple[str, str, FieldInfo]]:
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _walk(info.annotation, f"{section}.{name}".removeprefix("."))
        elif not _repeated_model(info.annotation):
            yield section, name, info


def _repeated_model(annotation: Any) -> type[BaseModel] | None:
    """The model of a `tuple[Model, ...]`."""
    kinds = get_args(annotation)
    return kinds[0] if get_origin(annotation) is tuple and issubclass(kinds[0], BaseModel) else None


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _bounds(info: FieldInfo) -> str:
    found: dict[str, Any] = {}
    for item in info.metadata:
        for name in ("ge", "gt", "le", "min_length", "max_length"):
            if hasattr(item, name):
                found[name] = getattr(item, name)
    if "max_length" in found:
        return f" of {found.get('min_length', 0)} to {found['max_length']} characters"
    if "ge" in found and "le" in found:
        return f" from {found['ge']} to {found['le']}"
    low = f" of at least {found['ge']}" if "ge" in found else f" above {found['gt']}" if "gt" in found else ""
    return f"{low} and at most {found['le']}" if "le" in found else low
