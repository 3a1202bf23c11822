"""Decisions as one part of the agent: tables, learner, model keeper and adviser, opened and closed together."""

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from agent.clock import Clock
from agent.decide.adviser import Adviser
from agent.decide.learner import Learner
from agent.decide.solver import ModelKeeper
from agent.decide.tables import FILE_NAME
from agent.decide.tables_learned import LearnedTables
from agent.events import EventDecoder
from agent.log import EventLog

__all__ = ["Decisions"]


class Decisions:
    """Everything about decisions of one running agent; its log and its catalogue outlive it."""

    def __init__(self, tables: LearnedTables, learner: Learner, keeper: ModelKeeper, adviser: Adviser) -> None:
        self.adviser: Final = adviser
        self._tables = tables
        self._learner = learner
        self._keeper = keeper

    @classmethod
    def open(
        cls, catalogue_file: Path, log: EventLog, decoder: EventDecoder, *, clock: Clock, new_id: Callable[[], str]
    ) -> Self:
        """The learned tables lie beside the catalogue's file, which has to exist.

        Raises:
            LearnedUnreadable: when a newer version wrote the tables.
            StorageFailed: when the folder cannot be written.
        """
        learned_file = catalogue_file.with_name(FILE_NAME)
        with ExitStack() as opened:
            tables = LearnedTables.open(learned_file)
            opened.callback(tables.close)
            adviser = Adviser(learned_file, catalogue_file, log, decoder, clock=clock, new_id=new_id)
            opened.pop_all()
        return cls(tables, Learner(log, tables, clock), ModelKeeper(tables, clock), adviser)

    def work(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:  # Any: nothing goes in or comes back
        """What has to run, by the task's name."""
        return {
            "decide-learn": self._learner.run,
            "decide-model": self._keeper.run,
            "decide-store": self.adviser.run,
            "decide-memory": self.adviser.keep_in_memory,
        }

    async def close(self) -> None:
        """Let go of the files, once the work was cancelled."""
        await self.adviser.close()
        self._tables.close()
