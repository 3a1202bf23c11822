"""Event types beyond the vocabulary: those a site declares, and unknown ones that it keeps unread.

A site's names are its own reverse domain names, such as `com.example.scale.reading.v1`. Of our names only versions that
a newer producer may have, such as `pos.sale.v9`, can be kept: any other is a slip.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from pydantic import ConfigDict

from agent.errors import Problem
from agent.event_model import TYPE_PREFIX, EventData, EventType, Stream
from agent.event_types import EVENT_TYPES

__all__ = ["NO_SITE_TYPES", "SITE_NAME_PATTERN", "SiteData", "SiteType", "SiteTypes", "is_site_name"]

TYPE_CHARS_MAX: Final = 128
_FAMILIES: Final = "|".join(sorted({name.partition(".")[0] for name in EVENT_TYPES}))
SITE_NAME_PATTERN: Final = rf"^(?!dev\.storeforward\.)(?!({_FAMILIES})\.)[a-z][a-z0-9-]*(\.[A-Za-z0-9_-]+){{2,}}$"
"""A site's own type: a reverse domain name of three parts or more that is not one of ours."""
_SITE_NAME: Final = re.compile(SITE_NAME_PATTERN, re.ASCII)
_VERSIONED: Final = re.compile(r"(.+)\.v[1-9][0-9]{0,3}", re.ASCII)
_OURS: Final = MappingProxyType({name.rpartition(".")[0]: row for name, row in EVENT_TYPES.items()})
"""Our types without their version."""


def is_site_name(name: str) -> bool:
    """Whether a type's name may be a site's own."""
    return len(name) <= TYPE_CHARS_MAX and _SITE_NAME.fullmatch(name) is not None


class SiteData(EventData):
    """The data of an event that no model of ours describes: a JSON object, kept as it came."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class SiteType(EventType):
    """A type of this site, or one that is kept unread: then it has no schema, and its producer's `dataschema` stays."""

    title: str = ""
    schema: Mapping[str, Any] | None = None  # Any: JSON Schema is JSON
    check: Callable[[Any], list[Problem]] | None = field(default=None, compare=False)  # Any: a JSON value

    def problems_of(self, data: Any) -> list[Problem]:  # Any: a JSON value
        """What is wrong with an event's data, with paths from there, such as `.reading.unit`."""
        return self.check(data) if self.check else []


@dataclass(frozen=True, slots=True)
class SiteTypes:
    """What a site takes beyond the vocabulary."""

    declared: Mapping[str, SiteType]
    unknown_stream: Stream | None = None
    """Where unknown types go that are kept; None refuses them. Another version of a known type goes to its stream."""

    def row_of(self, name: str) -> SiteType | None:
        """The row for a type that is not in the vocabulary; None when it is refused."""
        if (row := self.declared.get(name)) or self.unknown_stream is None:
            return row
        family = _family(name.removeprefix(TYPE_PREFIX))
        if ours := _OURS.get(family):
            return None if ours.is_audit else SiteType(name.removeprefix(TYPE_PREFIX), ours.stream, SiteData)
        if not is_site_name(name):
            return None
        known = next((row for row in self.declared.values() if family and _family(row.name) == family), None)
        return SiteType(name, known.stream if known else self.unknown_stream, SiteData, "")


def _family(name: str) -> str:
    """A type's name without its version; "" for one that has none."""
    versioned = _VERSIONED.fullmatch(name)
    return versioned[1] if versioned else ""


NO_SITE_TYPES: Final = SiteTypes({})
"""The vocabulary alone."""
