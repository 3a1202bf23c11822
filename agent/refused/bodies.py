"""Takes refused calls from the event loop to their shelf, without delaying or failing an answer.

What comes too fast, or while the disk is short, is left out: these bodies are for finding a fault, and one that goes
on comes again.
"""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.errors import Problem
from agent.log_lines import log_event
from agent.refused.body import RefusedBody, head_of
from agent.refused.private_parts import private_part
from agent.refused.shelf import BODIES_MAX, RefusedShelf, ShelfUnusable

__all__ = ["RefusedBodies"]

WAITING_MAX: Final = 32  # 2 MiB
BURST_BODIES: Final = 100
BODY_EVERY_S: Final = 10.0  # after such a burst: 570 MB a day wear out no card
REPEATED_AFTER_S: Final = 86_400.0  # what a till sends again and again is kept once a day
REMEMBERED_MAX: Final = 512
TIDY_INTERVAL_S: Final = 600.0
SETTLE_TIMEOUT_S: Final = 1.0
TOLD_EVERY_S: Final = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Call:
    at: datetime
    producer: str
    peer: str
    refusal: str
    problems: tuple[Problem, ...]
    size_bytes: int
    head: bytes

    @property
    def digest(self) -> bytes:
        said = f"{self.producer}\n{self.refusal}\n{self.size_bytes}\n".encode()
        return blake2b(said + self.head, digest_size=16).digest()


class RefusedBodies:
    """`keep` and `settled` belong to the event loop; `run` goes on until cancelled."""

    def __init__(self, folder: Path, days: int, disk_free_bytes_min: int, clock: Clock) -> None:
        """With `days` 0 nothing is kept, and `run` forgets what is there."""
        self._shelf = RefusedShelf(folder, disk_free_bytes_min=disk_free_bytes_min)
        self._days = days
        self._clock = clock
        self._waiting: asyncio.Queue[_Call] = asyncio.Queue(WAITING_MAX)
        self._kept_at_s: OrderedDict[bytes, float] = OrderedDict()
        self._allowance, self._allowed_at_s = float(BURST_BODIES), clock.monotonic_s()
        self._told_at_s = -TOLD_EVERY_S

    def keep(self, producer: str, peer: str, refusal: str, problems: tuple[Problem, ...], body: bytes) -> None:
        """Keep what a call sent, if that is asked for; returns at once."""
        if not self._days:
            return
        call = _Call(self._clock.wall(), producer, peer, refusal, problems, len(body), head_of(body))
        if self._was_kept(call.digest):
            return
        if self._waiting.full() or not self._may_keep():
            self._tell_left_out("they come too fast")
            return
        self._waiting.put_nowait(call)
        self._remember(call.digest)

    async def settled(self) -> None:
        """Returns when all that was given to `keep` is on the disk, or after a second."""
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                await self._waiting.join()
        except TimeoutError:
            self._tell_left_out("the disk is too slow")

    async def run(self) -> None:
        """Keep what is given to `keep`, and forget what is too old or too much."""
        await asyncio.to_thread(self._tidy)
        while True:
            try:
                async with asyncio.timeout(TIDY_INTERVAL_S):
                    call = await self._waiting.get()
            except TimeoutError:
                await asyncio.to_thread(self._tidy)
                continue
            try:
                await asyncio.to_thread(self._put, call)
            except ShelfUnusable as fault:
                self._kept_at_s.pop(call.digest, None)
                self._tell_left_out(str(fault))
            finally:
                self._waiting.task_done()

    def _was_kept(self, digest: bytes) -> bool:
        at_s = self._kept_at_s.get(digest)
        return at_s is not None and self._clock.monotonic_s() - at_s < REPEATED_AFTER_S

    def _remember(self, digest: bytes) -> None:
        self._kept_at_s[digest] = self._clock.monotonic_s()
        self._kept_at_s.move_to_end(digest)
        if len(self._kept_at_s) > REMEMBERED_MAX:
            self._kept_at_s.popitem(last=False)

    def _may_keep(self) -> bool:
        now_s = self._clock.monotonic_s()
        gained = (now_s - self._allowed_at_s) / BODY_EVERY_S
        self._allowance, self._allowed_at_s = min(BURST_BODIES, self._allowance + gained), now_s
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _put(self, call: _Call) -> None:
        body = RefusedBody.of(
            call.at, producer=call.producer, peer=call.peer, refusal=call.refusal, problems=call.problems,
            size_bytes=call.size_bytes, head=call.head, withheld=private_part(call.head, call.problems),
        )  # fmt: skip
        self._shelf.put(body)
        self._tidy()

    def _tidy(self) -> None:
        oldest = self._clock.wall() - timedelta(days=self._days)
        try:
            self._shelf.tidy(oldest, bodies_max=BODIES_MAX if self._days else 0)
        except ShelfUnusable as fault:
            text = "refused bodies stay that should go"
            log_event(logger, logging.WARNING, "intake.refused_kept", text, why=str(fault))

    def _tell_left_out(self, why: str) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._told_at_s >= TOLD_EVERY_S:
            self._told_at_s = now_s
            log_event(logger, logging.WARNING, "intake.refused_left_out", "refused bodies are not kept", why=why)
