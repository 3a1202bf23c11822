"""What the shop knows in the morning: before the agent starts, its catalogue is imported and past sales are learned."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from typing import Any, Final

from agent.data_folder import DataFolder
from agent.errors import EnvironmentFault
from sim.store.assortment import Assortment
from sim.store.baskets import SalesSource
from sim.store.history import History, open_history
from sim.store.source import SourceOptions

__all__ = ["WarmUpFailed", "warm_up"]

_CATALOGUE_FILE: Final = "products.csv"
_HISTORY_FILE: Final = "history.csv"

Json = Any  # Any: JSON


class WarmUpFailed(EnvironmentFault):
    """A command that prepares the shop failed; it said why on standard error."""


async def warm_up(
    options: SourceOptions,
    source: SalesSource,
    assortment: Assortment,
    folder: DataFolder,
    say: Callable[[str], None],
) -> None:
    """Prepare the data folder of a stopped agent. What is written for it on the way is taken away again.

    Raises:
        WarmUpFailed, DatasetAbsent, DataFolderUnusable
    """
    folder.create()
    written = folder.path / _HISTORY_FILE
    try:
        history = await asyncio.to_thread(open_history, options, source, written)
        say(f"the shop learns from {history.words}" if history else "there are no earlier sales to learn from")
        told, _ = await asyncio.gather(_learn(history, folder), _import(assortment, folder))
        if told is not None:
            say(f"{told['baskets']:,} baskets learned; {told['products']:,} products have neighbours")
    finally:
        written.unlink(missing_ok=True)


async def _import(assortment: Assortment, folder: DataFolder) -> None:
    file = folder.path / _CATALOGUE_FILE
    file.write_text(assortment.csv(), encoding="utf-8")
    try:
        await _command("catalogue", "import", str(file), "--data", str(folder.path), "--json")
    finally:
        file.unlink(missing_ok=True)


async def _learn(history: History | None, folder: DataFolder) -> Json:
    if history is None:
        return None
    choice = ("--history", str(history.file), "--before", history.before.isoformat())
    return await _command("learn", *choice, "--data", str(folder.path), "--json")


async def _command(*arguments: str) -> Json:
    """What `storeforward ARGUMENTS` prints as JSON; its progress bar and its complaints go to our standard error."""
    bound = ("-m", "sim.demo.bound_child", str(os.getpid()), "agent")
    process = await asyncio.create_subprocess_exec(sys.executable, *bound, *arguments, stdin=DEVNULL, stdout=PIPE)
    try:
        answer, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        raise WarmUpFailed(f"`storeforward {' '.join(arguments[:2])}` ended with {process.returncode}")
    return json.loads(answer)
