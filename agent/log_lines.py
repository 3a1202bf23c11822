"""The agent's own log output: one JSON object a line on stdout, or plain lines when a person watches a terminal.

Every line has a stable `event` code; what varies goes into fields. Secrets and personal ids never do. A fault that
comes again and again is told a few times, then once a minute with the number of lines left out.
"""

import json
import logging
import os
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from agent.clock import Clock, rfc3339
from agent.line_output import LineOutput

__all__ = ["log_event", "set_up_logging"]

MESSAGE_CHARS_MAX: Final = 4_096
TRACEBACK_CHARS_MAX: Final = 16_384  # its end, which says what happened
SAME_LINES_MAX: Final = 20  # of one kind in a row
SAME_LINE_INTERVAL_S: Final = 60.0  # between two of that kind beyond them
KINDS_MAX: Final = 256

_FIELDS: Final = "storeforward_fields"
_LEFT_OUT: Final = "storeforward_left_out"


def log_event(logger: logging.Logger, level: int, event: str, message: str, **fields: object) -> None:
    """Write one line: a stable code for machines, a sentence for people, fields for both."""
    logger.log(level, message, extra={_FIELDS: {"event": event, **fields}})


def set_up_logging(level: str, clock: Clock, descriptor: int | None = None) -> logging.Handler:
    """Send all logging of this process to a file descriptor (stdout when omitted), by a thread, until it is closed."""
    descriptor = sys.stdout.fileno() if descriptor is None else descriptor
    output = _Lines(descriptor, _PlainLines(clock) if os.isatty(descriptor) else _JsonLines(clock))
    output.addFilter(_Repeats(clock))
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    return output


class _Lines(logging.Handler):
    """Makes a line where it is logged, as what it shows may change soon, and has it written elsewhere."""

    def __init__(self, descriptor: int, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._output = LineOutput(descriptor, self._word_of_dropped)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as in all handlers of logging: a line that cannot be made stops nobody
            self._output.drop()
        else:
            self._output.put(f"{line}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        self._output.close()
        super().close()

    def _word_of_dropped(self, lines: int) -> bytes:
        message = f"{lines:,} log lines were dropped here: nobody read them, or the disk was full"
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, None, None)
        setattr(record, _FIELDS, {"event": "log_lines.dropped", "lines": lines})
        return f"{self.format(record)}\n".encode()


@dataclass(slots=True)
class _Kind:
    """Lines of one origin, level and code: how many more may come now, since when, and how many did not."""

    room: float
    at_s: float
    left_out: int = 0


class _Repeats(logging.Filter):
    """Holds back what has been said often enough; the next line of that kind tells how many were left out."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, int, str], _Kind] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG:
            return True
        now_s = self._clock.monotonic_s()
        fields: dict[str, object] = getattr(record, _FIELDS, {})
        key = (record.name, record.levelno, str(fields.get("event") or record.msg)[:200])
        kind = self._kinds.setdefault(key, _Kind(SAME_LINES_MAX, now_s))
        self._kinds.move_to_end(key)
        if len(self._kinds) > KINDS_MAX:
            self._kinds.popitem(last=False)
        kind.room = min(SAME_LINES_MAX, kind.room + (now_s - kind.at_s) / SAME_LINE_INTERVAL_S)
        kind.at_s = now_s
        if kind.room < 1:
            kind.left_out += 1
            return False
        kind.room -= 1
        setattr(record, _LEFT_OUT, kind.left_out)
        kind.left_out = 0
        return True


class _JsonLines(logging.Formatter):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": rfc3339(self._clock.wall()),
            "level": record.levelname.lower(),
            "event": f"{record.name}.log",
            "message": _message(record),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self._traceback(record)
        return json.dumps(line, default=str)

    def _traceback(self, record: logging.LogRecord) -> str:
        assert record.exc_info
        return self.formatException(record.exc_info)[-TRACEBACK_CHARS_MAX:]


class _PlainLines(_JsonLines):
    def format(self, record: logging.LogRecord) -> str:
        rest = " ".join(f"{key}={value}" for key, value in _fields(record).items() if key != "event")
        at = f"{self._clock.wall():%H:%M:%S}"
        line = f"{at} {record.levelname.lower():7} {_message(record)}{f'  ({rest})' if rest else ''}"
        lines = [line, *(self._traceback(record).splitlines() if record.exc_info else ())]
        return "\n".join(map(_harmless, lines))


def _message(record: logging.LogRecord) -> str:
    return record.getMessage()[:MESSAGE_CHARS_MAX]


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, _FIELDS, {})
    left_out = getattr(record, _LEFT_OUT, 0)
    return fields | {"same_lines_left_out": left_out} if left_out else fields


def _harmless(text: str) -> str:
    """The text with everything escaped that a terminal would obey instead of showing it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
