"""The two places where a bridge can be: in the process of its core, or in one of its own behind a socket."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from firmware_bridge import Bridge, SerialBridge
from firmware_bridge.socket_bridge import SocketBridge
from sim.bench.bench_processes import bridge_process

__all__ = ["OpenBridge", "in_process", "own_process"]

OpenBridge = Callable[[str], AbstractContextManager[Bridge]]


@contextmanager
def in_process(port: str) -> Iterator[Bridge]:
    """The bridge's thread is one of this process."""
    with SerialBridge(port) as bridge:
        yield bridge


@contextmanager
def own_process(port: str) -> Iterator[Bridge]:
    """The bridge is another process; this one has the client."""
    with TemporaryDirectory(prefix="storeforward-bench-") as folder:
        socket = Path(folder, "bridge.sock")
        with bridge_process(port, socket) as vehicle, SocketBridge(socket, vehicle=vehicle) as bridge:
            yield bridge
