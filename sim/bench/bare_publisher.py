"""`python -m sim.bench.bare_publisher MODE PORT FILE`: the link's ceiling, bare paho, one event a publish.

`rate` publishes all as fast as a window of 20 lets it, and says how long it took until all were acknowledged. `paced`
publishes when each is due, and says when it did.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.clock import SystemClock
from agent.errors import EnvironmentFault
from sim.bench.bench_processes import say

__all__ = ["WINDOW", "line_for", "main"]

WINDOW: Final = 20  # the link's own default
CONNECT_S_MAX: Final = 10.0
ANSWERED_S_MAX: Final = 600.0
CLOCK: Final = SystemClock()


class PublisherFailed(EnvironmentFault):
    """The broker did not take what bare paho published."""


def line_for(topic: str, body: bytes, due_s: float = 0.0) -> bytes:
    """One line of FILE; the body is JSON without line breaks."""
    return b"%s %f %s\n" % (topic.encode(), due_s, body)


def main(mode: str, port: str, file: str) -> None:
    """One mode; what it finds goes to stdout as JSON."""
    publishes = [line.split(b" ", 2) for line in Path(file).read_bytes().splitlines()]
    publisher = _Publisher(int(port), len(publishes))
    topics, bodies = [topic.decode() for topic, _, _ in publishes], [body for _, _, body in publishes]
    if mode == "rate":
        say(publisher.rate(topics, bodies))
    else:
        say(publisher.paced(topics, bodies, [float(due_s) for _, due_s, _ in publishes]))
    publisher.close()


class _Publisher:
    """A connected client, its network in a thread of its own, as paho's users have it."""

    def __init__(self, port: int, publishes: int) -> None:
        self._open = publishes
        self._answered, connected = Event(), Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages_set(WINDOW)
        self._client.on_connect = lambda *_: connected.set()
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not connected.wait(CONNECT_S_MAX):
            raise PublisherFailed(f"no CONNACK from port {port} within {CONNECT_S_MAX:.0f} s")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def rate(self, topics: Sequence[str], bodies: Sequence[bytes]) -> dict[str, float]:
        began_s = CLOCK.monotonic_s()
        for topic, body in zip(topics, bodies, strict=True):
            self._client.publish(topic, body, qos=1)
        self._until_answered()
        return {"began_s": began_s, "took_s": CLOCK.monotonic_s() - began_s}

    def paced(self, topics: Sequence[str], bodies: Sequence[bytes], due_s: Sequence[float]) -> list[float]:
        began_s, published_s, never = CLOCK.monotonic_s(), [], Event()
        for topic, body, due in zip(topics, bodies, due_s, strict=True):
            never.wait(began_s + due - CLOCK.monotonic_s())
            published_s.append(CLOCK.monotonic_s())
            self._client.publish(topic, body, qos=1)
        self._until_answered()
        return published_s

    def _until_answered(self) -> None:
        if not self._answered.wait(ANSWERED_S_MAX):
            raise PublisherFailed(f"{self._open} publishes are unanswered after {ANSWERED_S_MAX:.0f} s")

    def _on_publish(self, *_: Any) -> None:  # Any: what paho tells of a PUBACK
        self._open -= 1
        if not self._open:
            self._answered.set()


if __name__ == "__main__":
    main(*sys.argv[1:])
