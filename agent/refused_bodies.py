"""Keeps the bodies of refused events for a few days, where settings ask for it: to find out what a producer sends.

Off unless asked for, since nobody can say what such a body holds. One in which card data was found is never kept.
Keeping neither delays nor fails an answer: it is done on a thread, and left out when there is no room.
"""

import asyncio
import base64
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from agent.card_guard import card_data_in, is_card_key
from agent.clock import Clock
from agent.errors import EnvironmentFault, Problem
from agent.log_lines import log_event
from agent.private_file import read_private, replace_private

__all__ = ["RefusedBodies", "RefusedBody"]

HEAD_BYTES_MAX: Final = 65_536
FILES_MAX: Final = 200
WAITING_MAX: Final = 16
TEXT_CHARS_MAX: Final = 500
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_KEY: Final = re.compile(r'"([^"]{1,100})"\s*:')
SUFFIX: Final = ".json"

logger = logging.getLogger(__name__)


class RefusedBody(BaseModel):
    """One refused call: when, whose, why, and the first 64 KiB of what it sent."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    at: AwareDatetime
    producer: str
    refusal: str
    problems: tuple[str, ...]
    size_bytes: int
    head_base64: str

    @property
    def head(self) -> bytes:
        """The first bytes of the body, as sent."""
        return base64.b64decode(self.head_base64)

    @classmethod
    def of(
        cls, number: int, at: datetime, producer: str, refusal: str, problems: Sequence[Problem], body: bytes
    ) -> Self:
        """The record of one body."""
        return cls(
            number=number,
            at=at,
            producer=producer[:64],
            refusal=refusal[:64],
            problems=tuple(str(problem)[:TEXT_CHARS_MAX] for problem in problems[:20]),
            size_bytes=len(body),
            head_base64=base64.b64encode(body[:HEAD_BYTES_MAX]).decode("ascii"),
        )


class RefusedBodies:
    """The folder of such bodies, one file each, readable by the owner only. `keep` belongs to the event loop."""

    def __init__(self, folder: Path, *, days: int, clock: Clock, has_room: Callable[[], bool] = lambda: True) -> None:
        """With `days` 0 nothing is kept, and what is there goes at the next `clear`."""
        self._folder = folder
        self._days = days
        self._clock = clock
        self._has_room = has_room
        self._waiting: set[asyncio.Task[None]] = set()

    def keep(self, producer: str, refusal: str, problems: Sequence[Problem], body: bytes) -> None:
        """Keep a body, if that is asked for, it holds no card data, and there is room; returns at once."""
        if not self._days or len(self._waiting) >= WAITING_MAX or not self._has_room():
            return
        task = asyncio.create_task(asyncio.to_thread(self._keep, producer, refusal, tuple(problems), body))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def settled(self) -> None:
        """Returns when all that was given to `keep` is on the disk."""
        while self._waiting:
            await asyncio.wait(set(self._waiting))

    def list(self) -> list[RefusedBody]:
        """What is kept, oldest first; a file that cannot be read is left out."""
        return [body for file in self._files() if (body := _read(file))]

    def find(self, number: int) -> RefusedBody | None:
        """One of them by its number."""
        return _read(self._file(number))

    def drop(self, number: int) -> bool:
        """Forget one; whether it was there."""
        file = self._file(number)
        there = file.exists()
        file.unlink(missing_ok=True)
        return there

    def clear(self) -> int:
        """Forget those that are too old or too many; how many went."""
        oldest = self._clock.wall() - timedelta(days=self._days)
        files = list(self._files())
        late = [file for file in files if not (body := _read(file)) or body.at < oldest]
        gone = {*late, *[file for file in files if file not in late][:-FILES_MAX]} if self._days else set(files)
        for file in gone:
            file.unlink(missing_ok=True)
        return len(gone)

    def _keep(self, producer: str, refusal: str, problems: Sequence[Problem], body: bytes) -> None:
        if _may_hold_card_data(body):
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            number = max((_number(file) for file in self._files()), default=0) + 1
            record = RefusedBody.of(number, self._clock.wall(), producer, refusal, problems, body)
            replace_private(self._file(number), record.model_dump_json(indent=1).encode() + b"\n")
            self.clear()
        except (OSError, EnvironmentFault) as fault:
            log_event(logger, logging.WARNING, "intake.refused_body_lost", f"a refused body is not kept: {fault}")

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:08}{SUFFIX}"

    def _files(self) -> Iterator[Path]:
        yield from sorted(file for file in self._folder.glob(f"*{SUFFIX}") if file.stem.isdecimal())


def _may_hold_card_data(body: bytes) -> bool:
    """Looked for in the whole text, since what refused the body may stand before it."""
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), body.decode("utf-8", "replace"))
    return card_data_in("", text) or any(is_card_key(key) for key in _KEY.findall(text))


def _number(file: Path) -> int:
    return int(file.stem)


def _read(file: Path) -> RefusedBody | None:
    try:
        return RefusedBody.model_validate_json(read_private(file))
    except (OSError, EnvironmentFault, ValidationError):
        return None
