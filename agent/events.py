"""The event envelope: CloudEvents 1.0 JSON in, checked drafts out. It knows no storage and no network.

A producer sends a structured CloudEvent or the short form `{type, data, id?, time?}`, one or an array. The one
decoder checks everything and encodes the event once. The log later closes the encoded text with what only it can
know: sequence, epoch and recorded time. Nobody encodes it again on its way to the cloud.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Self

from pydantic import ValidationError

from agent.clock import moment_of, rfc3339
from agent.errors import EventRefused, Problem
from agent.event_types import EVENT_TYPES, TYPE_NAMES, TYPE_PREFIX, EventData, EventType, Stream
from agent.json_texts import JsonTexts
from agent.site_types import NO_SITE_TYPES, SiteType, SiteTypes
from agent.strict_json import parse_strictly
from agent.topics import DeviceName

__all__ = [
    "SEQUENCE_DIGITS",
    "Draft",
    "EventDecoder",
    "Origin",
    "close_event",
    "data_text",
    "event_ending",
    "event_schema",
    "problems_of",
]

SEQUENCE_DIGITS: Final = 12
"""Width of the `sequence` attribute: zero-padded, so that text order is number order."""

BODY_BYTES_MAX: Final = 4_194_304
EVENTS_PER_CALL_MAX: Final = 1_000
EVENT_BYTES_MAX: Final = 65_536  # half the smallest cloud's publish limit (AWS IoT: 128 KiB)
PROBLEMS_MAX: Final = 20
ID_CHARS_MAX: Final = 128

_CLOSED: Final = f'%b,"sequence":"%0{SEQUENCE_DIGITS}d"%b'.encode("ascii")
_BEFORE_DATA: Final = b',"data":'
_AFTER_DATA: Final = b',"sequence":"'
NEAR: Final = 0.8  # how like a known type a name must be to be taken for a slip
STEP_CHARS_MAX: Final = 60  # of an unknown key in the path of a problem

_CLOUD_EVENT_KEYS: Final = frozenset(
    {"specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "subject", "traceparent", "data"}
)
_SHORT_KEYS: Final = frozenset({"type", "data", "id", "time"})
_LOG_KEYS: Final = frozenset(
    {"sequence", "stream", "epoch", "recordedtime", "clocksynced", "market", "region"}
)  # ours to say


@dataclass(frozen=True, slots=True)
class Origin:
    """Where this device's events come from; goes into every envelope."""

    name: DeviceName
    market: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked event that the log has not placed yet.

    `opening` is the event's JSON text without its closing brace; `digest` identifies what the producer said
    (type, time and subject if it gave them, data), so that a retry is told from a conflict.
    """

    stream: Stream
    type: str
    source: str
    id: str
    time: str
    data: EventData
    opening: bytes
    digest: bytes

    @property
    def size_bytes(self) -> int:
        """About what the stored event takes."""
        return len(self.opening) + 160


def event_ending(epoch: str, recorded_time: str, *, clock_synced: bool) -> bytes:
    """What the text of all events ends with that are appended together."""
    synced = "true" if clock_synced else "false"
    return f',"epoch":"{epoch}","recordedtime":"{recorded_time}","clocksynced":{synced}}}'.encode("ascii")


def close_event(opening: bytes, sequence: int, ending: bytes) -> bytes:
    """The whole CloudEvent: a draft's opening closed with its place in the log."""
    return _CLOSED % (opening, sequence, ending)


def data_text(body: bytes) -> bytes:
    """The JSON text of a stored event's data: `_encode` and `close_event` say what stands around it.

    Within a JSON text a quote is escaped, so neither mark can be part of one.
    """
    return body[body.index(_BEFORE_DATA) + len(_BEFORE_DATA) : body.rindex(_AFTER_DATA)]


def event_schema(type_name: str) -> str:
    """The `dataschema` attribute of a type given by its short name."""
    return f"urn:storeforward:schema:{type_name}"


def problems_of(error: ValidationError, prefix: str = "") -> list[Problem]:
    """Pydantic's findings as ours, with JSON paths and without the input's values (they may be personal)."""
    found = []
    items = error.errors(include_url=False, include_context=False, include_input=False)
    for item in items:
        if item["type"] == "too_short" and any(_is_within(other["loc"], item["loc"]) for other in items):
            continue  # it counts only good elements, and the bad ones are named
        path = prefix
        for step in item["loc"]:
            path += f"[{step}]" if isinstance(step, int) else f".{step[:STEP_CHARS_MAX]}"
        text = item["msg"].removeprefix("Value error, ")
        problem, _, expected = text.partition("; expected ")
        for start in ("Input should be ", "String should "):
            if problem.startswith(start):
                problem, expected = "not usable", problem.removeprefix(start)
        if item["type"] == "extra_forbidden":
            problem, expected = "unknown field", "only fields of this event type"
        elif item["type"] == "missing":
            problem, expected = "missing", "this field"
        found.append(Problem(path.removeprefix("."), problem[0].lower() + problem[1:], expected))
    return found[:PROBLEMS_MAX]


def _is_within(inner: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


class EventDecoder:
    """Turns what producers send into drafts, or says exactly what is wrong with it."""

    def __init__(
        self,
        origin: Origin,
        *,
        wall: Callable[[], datetime],
        new_id: Callable[[], str],
        site_types: SiteTypes = NO_SITE_TYPES,
    ) -> None:
        self._origin = origin
        self._site_types = site_types
        self._wall = wall
        self._new_id = new_id
        self._places = "".join(
            f',"{key}":{json.dumps(value)}'
            for key, value in (("market", origin.market), ("region", origin.region))
            if value
        )

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def site_types(self) -> SiteTypes:
        """What it takes beyond the vocabulary."""
        return self._site_types

    def decode(self, body: bytes, producer: str) -> list[Draft]:
        """The drafts of one call by a producer: one event, or an array of them, all or nothing.

        Raises:
            EventRefused: with up to 20 problems; paths begin with `[n]` when an array was sent.
        """
        value = parse_strictly(body, bytes_max=BODY_BYTES_MAX)
        source, now = self._origin.name.source(producer), rfc3339(self._wall())
        if isinstance(value, dict):
            return [self._draft(value, JsonTexts(body), None, source, now)]
        if not isinstance(value, list) or not value:
            raise EventRefused(Problem("", "neither an event nor a list of events", "a JSON object or array"))
        if len(value) > EVENTS_PER_CALL_MAX:
            raise EventRefused(Problem("", f"{len(value):,} events", f"at most {EVENTS_PER_CALL_MAX:,} in one call"))
        drafts: list[Draft] = []
        problems: list[Problem] = []
        texts = JsonTexts(body)
        for index, item in enumerate(value):
            try:
                drafts.append(self._draft(item, texts, index, source, now))
            except EventRefused as refused:
                problems.extend(refused.problems)
                if len(problems) >= PROBLEMS_MAX:
                    break
        if problems:
            raise EventRefused(*problems[:PROBLEMS_MAX])
        return drafts

    def make(self, data: EventData, producer: str, *, event_id: str | None = None) -> Draft:
        """A draft of the agent's own making, such as a day close."""
        row = EVENT_TYPES[TYPE_NAMES[type(data)]]
        now = rfc3339(self._wall())
        return self._encode(row, data, _text_of(data), self._origin.name.source(producer), event_id, None, now, {})

    def _draft(self, value: Any, texts: JsonTexts, index: int | None, source: str, now: str) -> Draft:
        path = "" if index is None else f"[{index}]"
        if not isinstance(value, dict):
            raise EventRefused(Problem(path, "not an event", "a JSON object"))
        attributes = _Attributes.read(value, source, self._site_types, path)
        place = f"{path}.data".removeprefix(".")
        try:
            data = attributes.row.model.model_validate(value["data"])
        except ValidationError as error:
            raise EventRefused(*problems_of(error, place)) from None
        if isinstance(attributes.row, SiteType):
            _check_site_data(attributes.row, value["data"], place)
            text = texts.member(index, "data")  # no model of ours says what its numbers mean: not one digit may change
        else:
            text = _text_of(data)
        return self._encode(
            attributes.row, data, text, source, attributes.id, attributes.time, now, attributes.optional, path=path
        )

    def _encode(
        self,
        row: EventType,
        data: EventData,
        text: bytes,
        source: str,
        event_id: str | None,
        time: str | None,
        now: str,
        optional: Mapping[str, str],
        *,
        path: str = "",
    ) -> Draft:
        subject = json.dumps(optional["subject"]) if "subject" in optional else "null"
        said = (row.name, time or "", subject)  # a retry may have another trace
        digest = blake2b("\n".join(said).encode() + b"\n" + text, digest_size=16).digest()
        event_id = event_id if event_id is not None else self._new_id()
        time = time or now
        extras = "".join(f',"{key}":{json.dumps(value)}' for key, value in optional.items())
        schema = "" if _is_unread(row) else f',"dataschema":"{event_schema(row.name)}"'
        opening = (
            f'{{"specversion":"1.0","id":{json.dumps(event_id)},"source":"{source}","type":"{row.full_name}"'
            f',"time":"{time}","datacontenttype":"application/json"{schema}'
            f'{extras}{self._places},"stream":"{row.stream.value}","data":'
        ).encode() + text
        if len(opening) > EVENT_BYTES_MAX:
            raise EventRefused(
                Problem(path, f"an event of {len(opening):,} bytes", f"at most {EVENT_BYTES_MAX:,} bytes")
            )
        return Draft(row.stream, row.name, source, event_id, time, data, opening, digest)


@dataclass(frozen=True, slots=True)
class _Attributes:
    """The checked context attributes of one event, short form or CloudEvent."""

    row: EventType
    id: str | None
    time: str | None
    optional: dict[str, str]

    @classmethod
    def read(cls, value: dict[str, Any], source: str, site_types: SiteTypes, path: str) -> Self:
        problems: list[Problem] = []

        def refuse(key: str, problem: str, expected: str) -> None:
            problems.append(Problem(f"{path}.{key[:STEP_CHARS_MAX]}".removeprefix("."), problem, expected))

        full = "specversion" in value
        allowed = _CLOUD_EVENT_KEYS if full else _SHORT_KEYS
        for key in () if value.keys() <= allowed else sorted(value.keys() - allowed)[:PROBLEMS_MAX]:
            if key in _LOG_KEYS:
                refuse(key, "set by the producer", "nothing: the agent fills this in")
            else:
                refuse(key, "unknown attribute", "one of " + ", ".join(sorted(allowed)))
        for key in ("type", "data", *(("id", "source") if full else ())):
            if value.get(key) is None:
                refuse(key, "missing", "this attribute")
        if problems:
            raise EventRefused(*problems[:PROBLEMS_MAX])
        row = _row_of(value["type"], site_types, refuse)
        event_id = _id_of(value.get("id"), refuse)
        time = _time_of(value.get("time"), refuse)
        if full:
            _check_constants(value, source, row, refuse)
        passed_on = ("subject", "traceparent", *(("dataschema",) if row and _is_unread(row) else ()))
        optional: dict[str, str] = {key: value[key] for key in passed_on if key in value}
        for key, text in optional.items():
            if not isinstance(text, str) or not 0 < len(text) <= ID_CHARS_MAX:
                refuse(key, "not a text", f"1 to {ID_CHARS_MAX} characters")
        if problems or row is None:
            raise EventRefused(*problems)
        return cls(row, event_id, time, optional)


def _text_of(data: EventData) -> bytes:
    return data.__pydantic_serializer__.to_json(data, exclude_none=True)


def _check_site_data(row: SiteType, data: Any, place: str) -> None:
    if wrong := row.problems_of(data):
        raise EventRefused(*(Problem(f"{place}{one.path}", one.problem, one.expected) for one in wrong[:PROBLEMS_MAX]))


_Refuse = Callable[[str, str, str], None]


def _row_of(name: Any, site_types: SiteTypes, refuse: _Refuse) -> EventType | None:
    row: EventType | None = None
    if isinstance(name, str):
        row = EVENT_TYPES.get(name.removeprefix(TYPE_PREFIX)) or site_types.row_of(name)
    if row is None:
        shown = repr(name[:80]) if isinstance(name, str) else "not a text"
        refuse("type", f"unknown event type {shown}", _near(name, [*EVENT_TYPES, *site_types.declared]))
    elif row.is_audit:
        refuse("type", "an audit event from a producer", "a type that is not the agent's own word to the cloud")
    return row


def _is_unread(row: EventType) -> bool:
    """Whether the agent knows no schema of such events."""
    return isinstance(row, SiteType) and row.schema is None


def _near(name: Any, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only when something is wrong

    close = get_close_matches(str(name)[:80].removeprefix(TYPE_PREFIX), list(known), 1, NEAR)
    return f"{close[0]}?" if close else "a type such as pos.sale.v1; GET /v1/event-types lists them"


def _id_of(value: Any, refuse: _Refuse) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARS_MAX or not value.isprintable():
        refuse("id", "not usable", f"1 to {ID_CHARS_MAX} printable characters")
        return None
    return value


def _time_of(value: Any, refuse: _Refuse) -> str | None:
    if value is None:
        return None
    expected = 'RFC 3339 with an offset, such as "2026-11-21T10:42:00Z"'
    if not isinstance(value, str) or "T" not in value or len(value) > 40:
        refuse("time", "not a time", expected)
        return None
    try:
        moment = moment_of(value)
        if moment.tzinfo is None:
            refuse("time", "a time without an offset", expected)
            return None
        return rfc3339(moment)
    except (ValueError, OverflowError):
        refuse("time", "not a time", expected)
        return None


def _check_constants(value: dict[str, Any], source: str, row: EventType | None, refuse: _Refuse) -> None:
    expected = {"specversion": "1.0", "source": source, "datacontenttype": "application/json"}
    if row is not None and not _is_unread(row):
        expected["dataschema"] = event_schema(row.name)
    for key, wanted in expected.items():
        if key in value and value[key] != wanted:
            refuse(key, "another value", f'"{wanted}"')
