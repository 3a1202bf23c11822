"""Who may write events through TCP: named producers with a token each, kept in one private file.

The file holds hashes, never tokens. A running agent notices when a command has changed it.
"""

import fcntl
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.clock import SystemClock, rfc3339
from agent.errors import CallerError, EnvironmentFault
from agent.event_types import EVENT_TYPES, TYPE_PREFIX
from agent.private_file import PrivateFileUnusable, read_private, replace_private
from agent.site_types import is_site_name
from agent.topics import LevelName

__all__ = ["AGENT_PRODUCER", "Producer", "ProducerRefused", "ProducerRegistry", "ProducersUnreadable"]

AGENT_PRODUCER: Final = "agent"
"""The name under which the agent itself makes events; nobody else may have it."""

PRODUCERS_MAX: Final = 1_000
TYPES_MAX: Final = 100
TOKEN_BYTES: Final = 32
TOKEN_CHARS_MAX: Final = 200
LOCK_TRIES: Final = 100
LOCK_PAUSE_S: Final = 0.05

_MACHINE: Final = SystemClock()
_NAME: Final[TypeAdapter[str]] = TypeAdapter(LevelName)


class ProducerRefused(CallerError):
    """A producer that cannot be added or removed like this."""


class ProducersUnreadable(EnvironmentFault):
    """The file of producers is damaged: nobody is let in until it is repaired."""


class Producer(BaseModel):
    """A till, a scale or a gateway. `types` are short event type names or globs such as `pos.*`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: LevelName
    types: Annotated[tuple[str, ...], Field(min_length=1, max_length=TYPES_MAX)]
    created: str
    token_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", repr=False)]

    def may_write(self, type_name: str) -> bool:
        """Whether events of this type (short name, such as `pos.sale.v1`) are within its job."""
        return any(fnmatchcase(type_name, pattern) for pattern in self.types)


class _File(BaseModel):
    """What lies on disk."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    version: Literal[1] = 1
    producers: Annotated[tuple[Producer, ...], Field(max_length=PRODUCERS_MAX)] = ()


class ProducerRegistry:
    """The producers of one data folder, seen from a command or from the running agent."""

    def __init__(
        self,
        identity_folder: Path,
        *,
        wall: Callable[[], datetime] = _MACHINE.wall,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,  # noqa: TID251 - tokens
    ) -> None:
        self._file = identity_folder / "producers.json"
        self._wall = wall
        self._random_bytes = random_bytes
        self._seen: tuple[int, int, int] | None = None
        self._by_hash: Mapping[str, Producer] = {}

    def add(self, name: str, types: Sequence[str] = ("*",)) -> str:
        """Let a new producer in; the answer is its token, which cannot be had again.

        Raises:
            ProducerRefused: when the name is taken or not one topic level, or a type matches no event type.
            ProducersUnreadable: when the file is damaged.
            PrivateFileUnusable: when it cannot be read or written.
        """
        _check_name(name)
        patterns = tuple(_checked_pattern(pattern) for pattern in types)
        if not 0 < len(patterns) <= TYPES_MAX:
            raise ProducerRefused(f"{len(patterns)} event types: expected 1 to {TYPES_MAX}, or * for all")
        token = urlsafe_b64encode(self._random_bytes(TOKEN_BYTES)).rstrip(b"=").decode("ascii")
        with self._locked():
            producers = self.list()
            if any(name == other.name for other in producers):
                raise ProducerRefused(f"there is a producer {name!r} already: remove it first, or choose another name")
            if len(producers) >= PRODUCERS_MAX:
                raise ProducerRefused(f"there are {PRODUCERS_MAX:,} producers already: remove one first")
            created = rfc3339(self._wall())
            self._save([*producers, Producer(name=name, types=patterns, created=created, token_sha256=_hash(token))])
        return token

    def list(self) -> list[Producer]:
        """All producers, the oldest first."""
        self._reload()
        return list(self._by_hash.values())

    def remove(self, name: str) -> None:
        """Lock a producer out; its events stay.

        Raises:
            ProducerRefused: when there is none of this name.
        """
        with self._locked():
            producers = self.list()
            kept = [producer for producer in producers if producer.name != name]
            if len(kept) == len(producers):
                raise ProducerRefused(f"no producer {name[:80]!r}; storeforward producer list shows all")
            self._save(kept)

    def authenticate(self, token: str) -> Producer | None:
        """Whose token this is. Tokens are compared by their hashes alone, so timing tells nothing about them."""
        self._reload()
        if not token.isascii() or len(token) > TOKEN_CHARS_MAX:
            return None
        return self._by_hash.get(_hash(token))

    def _reload(self) -> None:
        """Read the file again when it is another than last time."""
        try:
            found = self._file.stat()
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen != self._seen:
                self._by_hash = {producer.token_sha256: producer for producer in _read(self._file)}
                self._seen = seen
        except FileNotFoundError:
            self._by_hash, self._seen = {}, None
        except OSError as error:
            raise PrivateFileUnusable(f"cannot read {self._file} ({error.strerror}): check its owner") from error

    def _save(self, producers: Sequence[Producer]) -> None:
        replace_private(self._file, _File(producers=tuple(producers)).model_dump_json(indent=1).encode() + b"\n")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time, from its read to its write."""
        folder = self._file.parent
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise PrivateFileUnusable(f"cannot open {folder} ({error.strerror}): check its owner") from error
        try:
            _lock(descriptor, folder)
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
        else:
            return
    raise PrivateFileUnusable(f"another command has held {folder} for {LOCK_TRIES * LOCK_PAUSE_S:.0f} s: try again")


def _read(file: Path) -> tuple[Producer, ...]:
    try:
        producers = _File.model_validate_json(read_private(file)).producers
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"]))
        raise ProducersUnreadable(
            f"{file} is damaged{f' at {where}' if where else ''}: restore it from a backup, "
            "or remove it and add every producer again"
        ) from None
    if len({producer.name for producer in producers}) != len(producers):
        raise ProducersUnreadable(f"{file} names a producer twice: remove one of the two")
    return producers


def _check_name(name: str) -> None:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise ProducerRefused(
            f"producer name {name[:80]!r}: expected 1 to 64 letters, digits or . : - _ (_ not first), such as till-3"
        ) from None
    if name == AGENT_PRODUCER:
        raise ProducerRefused(f"{name!r} is the agent's own name: choose another, such as till-3")


def _checked_pattern(pattern: str) -> str:
    short = pattern.removeprefix(TYPE_PREFIX)
    if is_site_name(pattern.replace("*", "x.x")):
        return pattern  # a type of the site: whether there is one, the agent's settings say
    if not any(fnmatchcase(name, short) for name in EVENT_TYPES):
        near = get_close_matches(short, list(EVENT_TYPES), 1)
        hint = f"did you mean {near[0]}?" if near else "expected a type such as pos.sale.v1, or a glob such as pos.*"
        raise ProducerRefused(f"no event type is like {short[:80]!r}: {hint}")
    return short


def _hash(token: str) -> str:
    return sha256(token.encode("ascii")).hexdigest()
