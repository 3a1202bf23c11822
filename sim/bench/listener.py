"""`python -m sim.bench.listener MODE PORT …`: a subscriber to all events, in a process of its own.

`first` says when the first publish came and its size, and leaves, so that it takes nothing of what is measured.
`arrivals COUNT PRODUCER` says when each event of a producer came, by id, once COUNT have. The first line says that it
listens.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Final

from agent.clock import SystemClock
from agent.topics import Channel, device_filter
from sim.bench.bench_processes import say
from sim.cloud.connection import mqtt_client

__all__ = ["main"]

CLOCK: Final = SystemClock()
NAME: Final = "bench-listener"
LISTEN_S_MAX: Final = 300.0


def main(mode: str, port: str, count: str = "1", producer: str = "") -> None:
    """One mode; what it finds goes to stdout as JSON."""
    asyncio.run(_listen(mode, int(port), int(count), producer))


async def _listen(mode: str, port: int, count: int, producer: str) -> None:
    async with asyncio.timeout(LISTEN_S_MAX), mqtt_client("127.0.0.1", port, NAME) as client:
        await client.subscribe(device_filter(Channel.EVENTS), qos=1)
        say("listening")
        payloads = ((CLOCK.monotonic_s(), message.payload) async for message in client.messages)
        if mode == "first":
            async for came_s, payload in payloads:
                assert isinstance(payload, bytes)
                say([came_s, len(payload)])
                return
        say(await _arrivals(payloads, count, producer))


async def _arrivals(payloads: AsyncIterator[tuple[float, object]], count: int, producer: str) -> dict[str, float]:
    found: dict[str, float] = {}
    async for came_s, payload in payloads:
        assert isinstance(payload, bytes)
        for event in json.loads(payload):
            if event["source"].endswith(f"/{producer}"):
                found.setdefault(event["id"], came_s)
        if len(found) >= count:
            break
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
