"""`storeforward run`: the agent in the foreground, for a service manager or a terminal."""

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Timer
from typing import Final

import click

from agent.cli.options import config_option, data_folder, data_option, load
from agent.errors import LogDamaged

__all__ = ["run"]

SWITCH_INTERVAL_S: Final = 0.0001
NEW_LOGS_MAX: Final = 3  # a disk that damages one after the other is not to be filled with them
STOP_TIMEOUT_S: Final = 20.0
"""A disk or a thread that hangs must not keep the process for ever; what was acknowledged is on the disk already."""

logger = logging.getLogger(__name__)


@click.command(
    epilog="Without --config it runs on its defaults: data in your home folder, broker on 127.0.0.1:1883. "
    "Example: storeforward run --config store.toml --data ./data"
)
@config_option
@data_option
def run(config_file: Path | None, data: Path | None) -> None:
    """Start the agent; SIGTERM or Ctrl-C ends it in good order."""
    from agent.app import Agent, clock_of  # noqa: PLC0415 - a command line that only prints help needs none of it
    from agent.log_lines import log_event, set_up_logging  # noqa: PLC0415 - as above

    loaded = load(config_file)
    folder = data_folder(data)
    clock = clock_of(loaded.settings.clock)
    set_up_logging(loaded.settings.log_level, clock)

    # The thread that writes the log comes to its turn fifty times sooner than by default: less waiting for an append,
    # measured.
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    # What was imported stays: looking through it took 50 ms now and then, in which vehicles had no sign of life.
    gc.freeze()

    async def serve() -> LogDamaged | None:
        """Until stopped; the damage of the log when it was found on the way, and the next start puts it aside."""
        found: LogDamaged | None = None
        agent = Agent(loaded.settings, folder, clock)

        def stop() -> None:
            _give_up_after(STOP_TIMEOUT_S)
            agent.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        try:
            await agent.run()
        except* LogDamaged as damaged:
            found = LogDamaged(str(damaged.exceptions[0]))
            log_event(logger, logging.ERROR, "agent.log_damaged", "starting again with a new log", why=str(found))
        return found

    try:
        for _ in range(NEW_LOGS_MAX):
            damage = asyncio.run(serve())
            if damage is None:
                return
    except BaseException:
        _give_up_after(STOP_TIMEOUT_S)  # also where the last words find no reader
        raise
    raise LogDamaged(f"{NEW_LOGS_MAX} logs in a row were damaged, the disk seems to fail: {damage}")


def _give_up_after(timeout_s: float) -> None:
    """End the process after a while, whatever still runs in it."""
    timer = Timer(timeout_s, _give_up, [timeout_s])
    timer.daemon = True
    timer.start()


def _give_up(timeout_s: float) -> None:
    from agent.log_lines import log_event  # noqa: PLC0415 - as above

    message = f"something hangs: it did not end within {timeout_s:g} s, and is ended now"
    log_event(logger, logging.ERROR, "agent.stop_gave_up", message)
    logging.shutdown()
    os._exit(1)
