"""`python -m tests.firmware_bridge.core_process SOCKET`: an agent's core that drives far until it is ended."""

import sys
from pathlib import Path

from firmware_bridge import NO_TIME_LIMIT, Move, Outcome
from firmware_bridge.socket_bridge import SocketBridge
from tests.firmware_bridge.bridge_shells import NAME, Core

FAR_MM = 50_000


def main() -> None:
    with SocketBridge(Path(sys.argv[1]), vehicle=NAME) as bridge:
        core = Core(bridge).opened()
        bridge.submit(Move(command_id=1, ttl_ms=NO_TIME_LIMIT, node=1, x_mm=FAR_MM, y_mm=0))
        core.until(lambda: core.last_of(1) is Outcome.STARTED)
        sys.stdout.write("moving\n")
        sys.stdout.flush()
        while True:
            core.round()


if __name__ == "__main__":
    main()
