"""One event as `storeforward tail` prints it: a line for people, or a JSON document."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import click

from agent.cli.terminal_text import json_for_terminals, printable
from agent.event_types import TYPE_PREFIX
from agent.log import CLOUD
from agent.log.reading.look import LogLook, SeenEvent

__all__ = ["Delivery", "delivery_of", "event_json", "event_line"]


class Delivery(StrEnum):
    """How far an event has come."""

    WAITING = "waiting"
    """Not acknowledged by the cloud; it may be on its way."""
    ACKNOWLEDGED = "acknowledged"
    DAMAGED = "damaged"
    """Its bytes on the disk no longer match their checksum; it will not be sent."""


_COLOURS: Final = {Delivery.WAITING: "yellow", Delivery.ACKNOWLEDGED: "green", Delivery.DAMAGED: "red"}
_STATE_WIDTH: Final = max(map(len, Delivery))


def delivery_of(look: LogLook, event: SeenEvent) -> Delivery:
    """By checksum and the cloud's cursor."""
    if not event.intact:
        return Delivery.DAMAGED
    passed = event.place <= look.state.cursor(CLOUD, event.stream)
    return Delivery.ACKNOWLEDGED if passed else Delivery.WAITING


def event_line(look: LogLook, event: SeenEvent, width: int | None) -> str:
    """When it was recorded (UTC), where it stands, how far it has come, what it is; cut at `width` characters."""
    delivery = delivery_of(look, event)
    before = f"{_utc(event.recorded_ms)}  {event.stream:<6} {event.place.epoch}/{event.place.sequence:<6}  "
    state = f"{delivery:<{_STATE_WIDTH}}"
    after = f"  {_what(event)}"
    if width is not None:
        after = after[: max(0, width - len(before) - len(state))]
    return before + click.style(state, fg=_COLOURS[delivery]) + after


def event_json(look: LogLook, event: SeenEvent) -> str:
    """One line: delivery, place and the CloudEvent as it is stored; null for a damaged one."""
    told = {
        "delivery": delivery_of(look, event),
        "stream": event.stream,
        "epoch": look.state.epochs.get(event.place.epoch, ""),
        "sequence": event.place.sequence,
        "id": event.id,
    }
    body = json_for_terminals(event.body.decode()) if event.intact else "null"
    return f'{json.dumps(told)[:-1]}, "event": {body}}}'


def _what(event: SeenEvent) -> str:
    if not event.intact:
        return f"id {printable(event.id)}"
    told = json.loads(event.body)
    short, producer = told["type"].removeprefix(TYPE_PREFIX), told["source"].rpartition("/")[2]
    return printable(f"{short}  {producer}  {json.dumps(told['data'], ensure_ascii=False)}")


def _utc(at_ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a damaged row says anything
        return "????-??-?? ??:??:??.???Z"
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
