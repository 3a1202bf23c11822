"""Server-sent events from bytes as they come (WHATWG HTML, 9.2.6). It knows no sockets."""

from dataclasses import dataclass, field
from typing import Final

from agent.errors import PeerError

__all__ = ["Message", "MessageTooLarge", "Messages"]

MESSAGE_BYTES_MAX: Final = 1_048_576  # a basket of a thousand lines is 200 kB


class MessageTooLarge(PeerError):
    """The agent sent a message beyond the limit."""


@dataclass(frozen=True, slots=True)
class Message:
    """One event: its name and its text."""

    event: str
    data: str


@dataclass(slots=True)
class Messages:
    """Feed it with what arrives; it answers with the messages that are complete."""

    _rest: bytes = b""
    _event: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, received: bytes) -> list[Message]:
        """The messages completed by these bytes.

        Raises:
            MessageTooLarge
        """
        *lines, self._rest = (self._rest + received).split(b"\n")
        complete = [message for message in map(self._line, lines) if message is not None]
        if len(self._rest) + sum(map(len, self._data)) > MESSAGE_BYTES_MAX:
            raise MessageTooLarge(f"a message of more than {MESSAGE_BYTES_MAX:,} bytes")
        return complete

    def _line(self, line: bytes) -> Message | None:
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        if not text:
            message = Message(self._event or "message", "\n".join(self._data)) if self._data else None
            self._event, self._data = "", []
            return message
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        return None
