"""The status document for people: facts in rows, streams in a table, and what needs somebody.

A new figure is one function and one line in `_ROWS`; a row without a text is left out.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.terminal_text import printable

__all__ = ["Document", "status_line", "status_view"]

Document = dict[str, Any]  # Any: the JSON that `storeforward status --json` prints

_LINK_COLOURS: Final = {"online": "green", "connecting": "yellow", "offline": "red", "refused": "red"}
_MEGABYTE: Final = 1_000_000


def status_view(found: Document) -> RenderableType:
    """Everything at one look."""
    now = _moment(found["at"])
    if not found["running"]:
        return Text("\n".join(found["problems"]))
    facts = [
        Text.assemble((f"{label:<{_LABEL_WIDTH}}", "bold"), text if isinstance(text, Text) else printable(text))
        for label, tell in _ROWS
        if (text := tell(found, now))
    ]
    streams = _streams(found, now)
    problems = (Text.assemble(("problem  ", "bold red"), printable(problem)) for problem in found["problems"])
    return Group(*facts, "", streams if streams.row_count else Text("No events yet."), *problems)


def status_line(found: Document) -> str:
    """The same for a file or a pipe, in one line."""
    now = _moment(found["at"])
    at = f"{now:%Y-%m-%d %H:%M:%SZ}"
    if not found["running"]:
        return f"{at}  {' '.join(found['problems'])}"
    parts = [f"link {found['link']['state']}", _waiting(found, now), _log_file(found, now)]
    if count := len(found["problems"]):
        parts.append(f"{count} {'problem' if count == 1 else 'problems'}")
    return f"{at}  {'; '.join(filter(None, parts))}"


def _agent(found: Document, now: datetime) -> str:
    del now
    return f"{found['version']}, up {timedelta(seconds=int(found['uptime_s']))}"


def _device(found: Document, now: datetime) -> str:
    del now
    return f"{found['site']} / {found['device']}"


def _data(found: Document, now: datetime) -> str:
    del now
    return str(found["data_folder"])


def _epoch(found: Document, now: datetime) -> str:
    del now
    return str(found["log"]["epoch"])


def _listens_on(found: Document, now: datetime) -> str:
    del now
    return ", ".join(
        listener["address"] if listener["state"] == "listening" else f"{listener['kind']}: failed"
        for listener in found["listeners"]
        if listener["state"] != "off"
    )


def _link(found: Document, now: datetime) -> Text:
    link = found["link"]
    since = _ago(_moment(link["since"]), now)
    reason = f": {printable(link['reason'])}" if link["reason"] else ""
    protocol = f" (MQTT {link['protocol']})" if link["protocol"] else ""
    return Text.assemble(
        (link["state"], _LINK_COLOURS.get(link["state"], "")), f" for {since}, {link['broker']}{protocol}{reason}"
    )


def _sending(found: Document, now: datetime) -> str:
    del now
    link = found["link"]
    if not link["published"]:
        return ""
    p50, p99 = link["puback_p50_ms"], link["puback_p99_ms"]
    took = f", acknowledged after {p50:.0f} ms (p99 {p99:.0f} ms)" if p50 is not None and p99 is not None else ""
    rate = link["publishes_per_s"]
    most = f", {rate:,.3g} publishes a second at most" if rate is not None else ""
    shrunk = f", {link['plain_bytes'] / link['sent_bytes']:.1f} x compressed" if link["encoding"] else ""
    return f"{link['in_flight']} publishes on their way{took}{most}{shrunk}, {link['redelivered']:,} events sent again"


def _waiting(found: Document, now: datetime) -> str:
    waiting = found["log"]["waiting"]
    oldest = min(filter(None, (stream["oldest_waiting"] for stream in found["log"]["streams"])), default=None)
    age = f", the oldest for {_ago(_moment(oldest), now)}" if oldest else ""
    ends = found["link"]["caught_up_at"]
    gone = f", gone in about {_ago(now, _moment(ends))}" if ends else ""
    return f"{waiting:,} {'event' if waiting == 1 else 'events'}{age}{gone}"


def _parked(found: Document, now: datetime) -> str:
    del now
    parked = found["link"]["parked"]
    return "; ".join(f"{one['events']:,} of {one['stream']}: {one['reason']}" for one in parked)


def _replay(found: Document, now: datetime) -> str:
    del now
    replay = found["link"]["replay"]
    if not replay or replay["state"] != "sending":
        return ""
    sent, events = (sum(part[key] for part in replay["streams"]) for key in ("sent", "events"))
    return f"{sent:,} of {events:,} events sent again{': ' if replay['trouble'] else ''}{replay['trouble']}"


def _receipt(found: Document, now: datetime) -> str:
    del now
    if not found["receipts"]:
        return "" if found["link"]["state"] == "disabled" else "none heard from the ledger yet"
    missing, conflicts = (
        sum(part[key] for part in found["receipts"]["receipts"]) for key in ("missing_count", "conflicts")
    )
    epoch, ledger = found["log"]["epoch"], _ledger(found)
    for stream in found["log"]["streams"]:
        received = ledger.get((stream["stream"], epoch))
        missing += 0 if received is None else max(0, _acknowledged(stream) - received)
    has = (
        f"lacks {missing:,} {'event' if missing == 1 else 'events'} so far"
        if missing
        else "has all that was acknowledged"
    )
    return f"the ledger {has}; {conflicts:,} in conflict"


def _log_file(found: Document, now: datetime) -> str:
    del now
    disk = found["disk"]
    if not disk:
        return ""
    return f"log {disk['log_bytes'] / _MEGABYTE:,.1f} MB, {disk['free_bytes'] / _MEGABYTE:,.0f} MB free on its disk"


def _room(found: Document, now: datetime) -> str:
    del now
    storage = found["storage"]
    parts = [f"{storage['room_bytes'] / _MEGABYTE:,.0f} MB left for events"]
    parts += [f"{storage[key]:,} {word}" for key, word in _GIVEN_UP.items() if storage[key] > 0]
    return ", ".join(parts if storage["state"] == "ok" else [_STATES[storage["state"]], *parts])


def _flash(found: Document, now: datetime) -> str:
    del now
    written = found["storage"]["bytes_written_per_event"]
    return f"{written:,.0f} bytes written per event" if written is not None else ""


def _products(found: Document, now: datetime) -> str:
    del now
    return f"{found['products']:,}"


_GIVEN_UP: Final = {"shed": "shed", "quarantined": "in quarantine", "salvages_pending": "damaged logs to salvage"}
_STATES: Final = {
    "short": "SHORT: only sales, stock, agv and audit are taken",
    "full": "FULL",
    "read_only": "READ-ONLY",
    "failed": "FAILED",
}
_ROWS: Final[tuple[tuple[str, Callable[[Document, datetime], str | Text]], ...]] = (
    ("agent", _agent),
    ("device", _device),
    ("data", _data),
    ("epoch", _epoch),
    ("listens on", _listens_on),
    ("link", _link),
    ("sending", _sending),
    ("waiting", _waiting),
    ("parked", _parked),
    ("replay", _replay),
    ("receipt", _receipt),
    ("storage", _log_file),
    ("room", _room),
    ("flash", _flash),
    ("products", _products),
)


_LABEL_WIDTH: Final = 2 + max(len(label) for label, _ in _ROWS)


def _streams(found: Document, now: datetime) -> Table:
    """Per stream: the last sequence, what broker and ledger have acknowledged, what waits and for how long."""
    table = Table("stream", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("last", "acknowledged", "in ledger", "waiting", "oldest"):
        table.add_column(title, justify="right")
    epoch, ledger = found["log"]["epoch"], _ledger(found)
    for stream in found["log"]["streams"]:
        if last := stream["head"]["sequence"]:
            received = ledger.get((stream["stream"], epoch))
            oldest = stream["oldest_waiting"]
            table.add_row(
                stream["stream"],
                *(f"{number:,}" for number in (last, _acknowledged(stream))),
                "-" if received is None else f"{received:,}",
                f"{stream['waiting']:,}",
                _ago(_moment(oldest), now) if oldest else "-",
            )
    return table


def _ledger(found: Document) -> dict[tuple[str, str], int]:
    """The last sequence that the ledger has, by stream and epoch; what a complete receipt does not name, it lacks."""
    told = found["receipts"] or {"complete": False, "receipts": []}
    epoch = found["log"]["epoch"]
    unnamed = {(stream["stream"], epoch): 0 for stream in found["log"]["streams"]} if told["complete"] else {}
    return unnamed | {(part["stream"], part["epoch"]): part["upto"] for part in told["receipts"]}


def _acknowledged(stream: Document) -> int:
    """Of the head's epoch; a cursor in an earlier one has acknowledged nothing of it."""
    cursor, head = stream["cursor"], stream["head"]
    return int(cursor["sequence"]) if cursor["epoch"] == head["epoch"] else 0


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _ago(moment: datetime, now: datetime) -> str:
    """In the largest unit of which there are two."""
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
