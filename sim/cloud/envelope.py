"""Reads what an agent publishes: one structured CloudEvent, or a JSON array of them, as it is or as a zstd frame.

It knows no storage, and unpacks no more than an agent packs.

It reads the envelope only and keeps each event's own text: a ledger that refused an event for its content would
turn it into a hole that no agent can ever fill. Where an event cannot even be placed, it says why.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, NoReturn

from agent.event_types import TYPE_PREFIX
from agent.link.compression import MAGIC, FrameRefused, decompressed
from agent.topics import Topic

__all__ = ["Arrival", "Unplaced", "Unreadable", "read_publish"]

EVENTS_PER_PUBLISH_MAX: Final = 10_000
TEXT_CHARS_MAX: Final = 200  # a source is three topic levels of at most 64, an id at most 128
SEQUENCE_DIGITS_MAX: Final = 15
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class Arrival(NamedTuple):
    """One event that can be placed; `type` is the short name where the type is ours, `body` its text as published."""

    epoch: str
    sequence: int
    source: str
    id: str
    type: str
    time: str
    data: Any  # Any: whatever JSON the event holds
    body: str


class Unplaced(NamedTuple):
    """One element of a publish that is no event of this device and stream."""

    reason: str
    body: str


class Unreadable(Exception):
    """A publish that is no JSON, no list of events, or no whole zstd frame."""


def read_publish(topic: Topic, payload: bytes) -> tuple[list[Arrival], list[Unplaced]]:
    """The events of one publish on an `evt` topic, and what in it is not one.

    Raises:
        Unreadable: nothing in it can be used; `str()` says why.
    """
    stream, prefix = topic.tail[0], f"/{topic.site}/{topic.device}/"
    arrivals: list[Arrival] = []
    unplaced: list[Unplaced] = []
    for value, body in _elements(_plain(payload)):
        problem = _problem(value, stream, prefix)
        if problem:
            unplaced.append(Unplaced(problem, body))
            continue
        arrivals.append(
            Arrival(
                value["epoch"],
                int(value["sequence"]),
                value["source"],
                value["id"],
                value["type"].removeprefix(TYPE_PREFIX),
                value["time"],
                value["data"],
                body,
            )
        )
    return arrivals, unplaced


def _plain(payload: bytes) -> bytes:
    """Known by its first octets, as MQTT 3.1.1 has no place for an encoding's name."""
    if not payload.startswith(MAGIC):
        return payload
    try:
        return decompressed(payload)
    except FrameRefused as refused:
        raise Unreadable(str(refused)) from None


def _elements(payload: bytes) -> list[tuple[Any, str]]:
    try:
        text = payload.decode()
        elements = list(_split(text))
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except ValueError as error:  # an integer beyond the interpreter's limit
        raise Unreadable(f"not usable: {error}") from None
    if len(elements) > EVENTS_PER_PUBLISH_MAX:
        raise Unreadable(f"{len(elements):,} events; expected at most {EVENTS_PER_PUBLISH_MAX:,}")
    if not elements:
        raise Unreadable("an empty list")
    return elements


def _split(text: str) -> Iterator[tuple[Any, str]]:
    """Each element with its own text, so that it is kept as it was published."""
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        value = _DECODER.decode(text)
        yield value, text.strip()
        return
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        _expect_end(text, at + 1)
        return
    while True:
        value, end = _DECODER.raw_decode(text, at)
        yield value, text[at:end]
        at = _skip(text, end)
        if text[at : at + 1] != ",":
            break
        at = _skip(text, at + 1)
    if text[at : at + 1] != "]":
        raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
    _expect_end(text, at + 1)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None
    return space.end()


def _expect_end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise json.JSONDecodeError("Extra data", text, at)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _problem(value: Any, stream: str, prefix: str) -> str:
    if not isinstance(value, dict):
        return "not an object"
    for key in ("id", "source", "type", "time", "epoch", "stream", "sequence"):
        text = value.get(key)
        # Lone surrogates, NUL and the like are not printable: none of them gets into a column.
        if not isinstance(text, str) or not 0 < len(text) <= TEXT_CHARS_MAX or not text.isprintable():
            return f"{key}: missing or not a text of 1 to {TEXT_CHARS_MAX} printable characters"
    sequence = value["sequence"]
    if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= SEQUENCE_DIGITS_MAX and int(sequence)):
        return f"sequence: not a number from 1 of at most {SEQUENCE_DIGITS_MAX} digits"
    if value["stream"] != stream:
        return f"stream: {value['stream'][:40]!r} on the topic of {stream!r}"
    if not value["source"].startswith(prefix):
        return f"source: {value['source'][:80]!r} on the topic of {prefix!r}"
    return "" if "data" in value else "data: missing"
