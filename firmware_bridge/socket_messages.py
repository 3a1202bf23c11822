"""Owns the messages between a bridge's own process and its client on a Unix socket; knows no socket and no time.

Each is `length u16 | kind u8 | fields | octets`, little-endian; `length` counts what stands behind it.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from firmware_bridge.errors import BridgeError
from firmware_bridge.statistics import Statistics

__all__ = [
    "FOREVER_US",
    "HELD_MAX",
    "MESSAGE_OCTETS_MAX",
    "VERSION",
    "Counted",
    "Feed",
    "Goodbye",
    "Hello",
    "Message",
    "MessageReader",
    "MessagesBroken",
    "NotTaken",
    "Release",
    "Stop",
    "Stopping",
    "Submit",
    "Taken",
    "Told",
    "Welcome",
    "pack",
]

VERSION: Final = 1
"""Of these messages: both processes come from one release, unless one of them was not started again after an update."""

MESSAGE_OCTETS_MAX: Final = 512
"""The longest message is Goodbye with its sentence."""

HELD_MAX: Final = 64
"""Commands on the way to the bridge's process: as many again as the bridge itself holds."""

FOREVER_US: Final = (1 << 63) - 1
"""As `until_us`: no time limit."""

TEXT_OCTETS_MAX: Final = 480


class MessagesBroken(BridgeError):
    """The peer's fault: what came over the socket is not one of these messages."""


class Hello(NamedTuple):
    """Client, first; beside it comes the descriptor of the socket that carries Stop, Release and Feed."""

    version: int
    vehicle: bytes


class Submit(NamedTuple):
    """Client: a command for the link with this epoch, worth nothing after `until_us` of CLOCK_MONOTONIC."""

    epoch: int
    command_id: int
    until_us: int
    code: int
    body: bytes


class Stop(NamedTuple):
    """Client, on the stop socket: stop now; `number` is the client's."""

    number: int
    reason: int


class Release(NamedTuple):
    """Client, on the stop socket: a person releases this latch."""

    latch: int


class Feed(NamedTuple):
    """Client, on the stop socket: the core lived at this time of CLOCK_MONOTONIC."""

    made_us: int


class Welcome(NamedTuple):
    """Bridge, first: the client has the vehicle to itself; its serial port."""

    baud: int
    port: bytes


class Goodbye(NamedTuple):
    """Bridge, last: why it closes."""

    why: bytes


class Told(NamedTuple):
    """Bridge: an event as the compiled station gives it."""

    kind: int
    at_us: int
    small: int
    number: int
    wide: int
    octets: bytes


class Taken(NamedTuple):
    """Bridge: so many commands left the socket, in their order."""

    commands: int


class NotTaken(NamedTuple):
    """Bridge: this command left the socket and was not and will not be sent; `late`: its time to live ended."""

    command_id: int
    late: int


class Stopping(NamedTuple):
    """Bridge: the line's number for the client's stop."""

    number: int
    line_number: int


class Counted(NamedTuple):
    """Bridge, often: all counters in the order of Statistics; also how the client knows that it lives."""

    octets: bytes


Message = Hello | Submit | Stop | Release | Feed | Welcome | Goodbye | Told | Taken | NotTaken | Stopping | Counted


@dataclass(frozen=True, slots=True)
class _Form:
    message: Callable[..., Message]  # its class
    fields: struct.Struct
    octets_max: int = -1  # without octets at the end

    @property
    def fields_count(self) -> int:
        """Values in front of the octets."""
        return len(self.fields.format.removeprefix("<"))


_FORMS: Final = {
    0x01: _Form(Hello, struct.Struct("<B"), 64),
    0x02: _Form(Submit, struct.Struct("<HIqB"), 32),
    0x10: _Form(Stop, struct.Struct("<HB")),
    0x11: _Form(Release, struct.Struct("<H")),
    0x12: _Form(Feed, struct.Struct("<q")),
    0x81: _Form(Welcome, struct.Struct("<I"), TEXT_OCTETS_MAX),
    0x82: _Form(Goodbye, struct.Struct("<"), TEXT_OCTETS_MAX),
    0x83: _Form(Told, struct.Struct("<BqBHI"), 128),
    0x84: _Form(Taken, struct.Struct("<H")),
    0x85: _Form(NotTaken, struct.Struct("<IB")),
    0x86: _Form(Stopping, struct.Struct("<HH")),
    0x87: _Form(Counted, struct.Struct("<"), 8 * len(Statistics.__slots__)),
}
_CODES: Final[dict[object, int]] = {form.message: code for code, form in _FORMS.items()}
_LENGTH: Final = struct.Struct("<H")


def pack(message: Message) -> bytes:
    """The message with its length in front."""
    code = _CODES[type(message)]
    form = _FORMS[code]
    values: tuple[Any, ...] = message  # Any: integers, and octets last where the form has them
    octets: bytes = values[-1][: form.octets_max] if form.octets_max >= 0 else b""
    content = bytes((code,)) + form.fields.pack(*values[: form.fields_count]) + octets
    return _LENGTH.pack(len(content)) + content


class MessageReader:
    """Takes octets in any portions and gives the messages among them; keeps no more than one unfinished message."""

    def __init__(self) -> None:
        self._unread = b""

    def feed(self, octets: bytes) -> Iterator[Message]:
        """Each message that these octets complete; raises MessagesBroken."""
        self._unread += octets
        while len(self._unread) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._unread)
            if not 1 <= length <= MESSAGE_OCTETS_MAX:
                raise MessagesBroken(f"a message of {length} octets: expected 1 to {MESSAGE_OCTETS_MAX}")
            end = _LENGTH.size + length
            if len(self._unread) < end:
                return
            content, self._unread = self._unread[_LENGTH.size : end], self._unread[end:]
            yield _unpacked(content)


def _unpacked(content: bytes) -> Message:
    form = _FORMS.get(content[0])
    if form is None:
        raise MessagesBroken(f"a message of kind {content[0]:02x}: there is none")
    octets = content[1 + form.fields.size :]
    if len(content) < 1 + form.fields.size or len(octets) > max(form.octets_max, 0):
        raise MessagesBroken(f"a message of kind {content[0]:02x} with {len(content)} octets: not its length")
    fields = form.fields.unpack_from(content, 1)
    return form.message(*fields, octets) if form.octets_max >= 0 else form.message(*fields)
