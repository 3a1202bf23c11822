"""Which events a command shows: the options for it, and the choice they make."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

import click

from agent.event_types import EVENT_TYPES, TYPE_PREFIX, Stream
from agent.log.reading.look import SeenEvent
from agent.site_types import is_site_name

__all__ = ["EventChoice", "choice_of", "stream_option", "type_option"]


@dataclass(frozen=True, slots=True)
class EventChoice:
    """Patterns in the manner of file names; an empty tuple chooses all."""

    types: tuple[str, ...]
    streams: tuple[Stream, ...]
    sources: tuple[str, ...]

    def takes(self, event: SeenEvent) -> bool:
        """Whether an event is chosen. A damaged one always is: nobody can say what it was."""
        if not (self.types or self.sources) or not event.intact:
            return True
        told = json.loads(event.body)
        source = told["source"]
        return _matches(_names(told["type"].removeprefix(TYPE_PREFIX)), self.types) and _matches(
            (source, source.rpartition("/")[2]), self.sources
        )


type_option = click.option(
    "--type", "types", multiple=True, help="Only this type, e.g. --type pos.sale or --type 'pos.*'; may be repeated."
)
stream_option = click.option(
    "--stream",
    "streams",
    multiple=True,
    type=click.Choice([stream.value for stream in Stream]),
    help="Only this stream, e.g. --stream sales; may be repeated.",
)


def choice_of(types: Sequence[str], streams: Sequence[str], sources: Sequence[str] = ()) -> EventChoice:
    """The choice that the options make; a type that no version of ours knows is told, as it may be a slip."""
    short = tuple(name.removeprefix(TYPE_PREFIX) for name in types)
    for name in short:
        if not (any(_matches(_names(known), [name]) for known in EVENT_TYPES) or is_site_name(f"{name}.v1")):
            near = get_close_matches(name, EVENT_TYPES, 1)
            click.echo(f"No type {name!r} is known here{f'; is it {near[0]}?' if near else '.'}", err=True)
    return EventChoice(short, tuple(map(Stream, streams)), tuple(sources))


def _names(short_type: str) -> tuple[str, str]:
    """A type with and without its version."""
    return short_type, short_type.rpartition(".")[0]


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
