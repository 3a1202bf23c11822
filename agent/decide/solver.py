"""Keeps the model fresh: starts the child process that solves, and puts what it answers to use."""

import asyncio
import logging
import sys
from contextlib import suppress
from typing import Final

from agent.clock import Clock
from agent.decide.solved import SolvedModel, SolveFailed
from agent.decide.tables_learned import LearnedTables, ModelState
from agent.errors import EnvironmentFault
from agent.log_lines import log_event

__all__ = ["ITEMS_MAX", "ModelKeeper", "solve_in_child"]

ITEMS_MAX: Final = 2_000
"""Products of a local model: 180 MB in the child for some seconds."""

SOLVE_TIMEOUT_S: Final = 600.0
ANSWER_BYTES_MAX: Final = 32 * 1_048_576
ERROR_CHARS_MAX: Final = 300
CHECK_INTERVAL_S: Final = 30.0
RETRY_AFTER_S: Final = 600.0
FIRST_BASKETS_MIN: Final = 200
GROWTH: Final = 1.25  # so many times the baskets of the model in use: solve again, at most every half hour
GROWTH_INTERVAL_S: Final = 1_800.0
MODEL_AGE_MAX_S: Final = 20 * 3_600.0

logger = logging.getLogger(__name__)


class ModelKeeper:
    """Solves when there is enough to solve from and the model in use is old or small; `run` until cancelled."""

    def __init__(self, tables: LearnedTables, clock: Clock, *, items_max: int = ITEMS_MAX) -> None:
        self._tables = tables
        self._clock = clock
        self._items_max = items_max

    async def run(self) -> None:
        """Look now and then whether a solve is due; one that fails is tried again later."""
        while True:
            pause_s = CHECK_INTERVAL_S
            try:
                while await asyncio.to_thread(self._tables.prune):
                    await asyncio.sleep(0)
                await asyncio.to_thread(self._tables.checkpoint)
                if self.is_due():
                    await self.solve()
            except EnvironmentFault as fault:
                log_event(logger, logging.ERROR, "decide.solve_failed", "no new model", why=str(fault))
                pause_s = RETRY_AFTER_S
            await asyncio.sleep(pause_s)

    def is_due(self) -> bool:
        """Whether a solve would help now."""
        model = self._tables.model()
        if model is None:
            return self._tables.baskets >= FIRST_BASKETS_MIN
        age_s = abs(self._clock.wall().timestamp() - model.made_s)  # one of the future was made by a wrong clock
        grown = self._tables.baskets >= GROWTH * model.baskets and age_s >= GROWTH_INTERVAL_S
        return grown or age_s >= MODEL_AGE_MAX_S

    async def solve(self) -> ModelState:
        """Solve now.

        Raises:
            SolveFailed: when the child fails.
            StorageFull, StorageFailed: when the model cannot be stored.
        """
        started_s = self._clock.monotonic_s()
        solved = await solve_in_child(self._tables, self._items_max)
        made_s = int(self._clock.wall().timestamp())
        state = await asyncio.to_thread(self._tables.take_model, solved, made_s)
        log_event(
            logger,
            logging.INFO,
            "decide.model",
            "a new model is in use",
            version=state.version,
            items=state.items,
            baskets=state.baskets,
            took_s=round(self._clock.monotonic_s() - started_s, 3),
        )
        return state


async def solve_in_child(tables: LearnedTables, items_max: int) -> SolvedModel:
    """What the child answers.

    Raises:
        SolveFailed: when it takes too long, ends with an error, or answers something else.
    """
    command = [sys.executable, "-m", "agent.decide.solve", str(tables.file), str(items_max)]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, limit=ANSWER_BYTES_MAX)
    try:
        async with asyncio.timeout(SOLVE_TIMEOUT_S):
            answer, said = await child.communicate()
    except TimeoutError:
        raise SolveFailed(f"no model within {SOLVE_TIMEOUT_S:.0f} s") from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    if child.returncode:
        raise SolveFailed(
            f"the solver ended with {child.returncode}: {said.decode(errors='replace')[-ERROR_CHARS_MAX:]}"
        )
    return await asyncio.to_thread(SolvedModel.from_bytes, answer)  # 20 ms and more
