"""The agent's own log output: one JSON object a line on stdout, or plain lines when a person watches a terminal.

Every line has a stable `event` code; what varies goes into fields. Secrets and personal ids never do.
"""

import json
import logging
import sys
from typing import Final, TextIO

from agent.clock import Clock, rfc3339

__all__ = ["log_event", "set_up_logging"]

_FIELDS: Final = "storeforward_fields"


def log_event(logger: logging.Logger, level: int, event: str, message: str, **fields: object) -> None:
    """Write one line: a stable code for machines, a sentence for people, fields for both."""
    logger.log(level, message, extra={_FIELDS: {"event": event, **fields}})


def set_up_logging(level: str, clock: Clock, stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream` (stdout when omitted)."""
    stream = stream or sys.stdout
    output = logging.StreamHandler(stream)
    output.setFormatter(_PlainLines(clock) if stream.isatty() else _JsonLines(clock))
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class _JsonLines(logging.Formatter):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, _FIELDS, {})
        line = {
            "at": rfc3339(self._clock.wall()),
            "level": record.levelname.lower(),
            "event": f"{record.name}.log",
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _PlainLines(_JsonLines):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, _FIELDS, {})
        rest = " ".join(f"{key}={value}" for key, value in fields.items() if key != "event")
        at = f"{self._clock.wall():%H:%M:%S}"
        line = f"{at} {record.levelname.lower():7} {record.getMessage()}{f'  ({rest})' if rest else ''}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
