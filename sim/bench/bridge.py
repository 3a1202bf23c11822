"""All benchmarks of the serial bridge and of what it carries, one after the other."""

from collections.abc import Callable
from functools import partial
from typing import Final

from agent.clock import Clock
from sim.bench.codec import codec_decode, codec_encode
from sim.bench.figure import Effort, Figure
from sim.bench.order_accept import order_accept
from sim.bench.stop_latency import stop_latency, stop_latency_own_process
from sim.bench.turnaround import ack_turnaround, ack_turnaround_own_process

__all__ = ["bridge_benchmarks"]

BUSY: Final = (0, 1, 2)


def bridge_benchmarks(effort: Effort, clock: Clock) -> dict[str, Callable[[], Figure]]:
    """What each name measures when it is called."""
    return {
        "codec_decode_64": partial(codec_decode, effort, clock),
        "codec_encode_64": partial(codec_encode, effort, clock),
        **{f"ack_turnaround_busy{busy}": partial(ack_turnaround, effort, busy) for busy in BUSY},
        "ack_turnaround_own_process": partial(ack_turnaround_own_process, effort),
        "stop_latency": partial(stop_latency, effort, clock),
        "stop_latency_own_process": partial(stop_latency_own_process, effort, clock),
        "order_accept": partial(order_accept, effort, clock),
    }
