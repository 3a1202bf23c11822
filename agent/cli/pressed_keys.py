"""Keys that a person presses while a command runs, one by one and unseen; the terminal is given back as it was."""

import asyncio
import os
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["pressed_keys"]


@contextmanager
def pressed_keys(descriptor: int, pressed: Callable[[str], None]) -> Iterator[None]:
    """Call `pressed` in the running event loop with each key, while the block runs. No terminal, no keys."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        keys = os.read(descriptor, 64)
        if not keys:  # the terminal is gone
            loop.remove_reader(descriptor)
        for key in keys.decode("ascii", "replace"):
            pressed(key)

    tty.setcbreak(descriptor)
    try:
        loop.add_reader(descriptor, read)
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
