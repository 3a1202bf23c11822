"""What an order of 20 nodes costs from bytes to verdict: `python -m tests.fleet.bench_order_accept`.

The ceiling is the official schema alone, compiled by fastjsonschema, over JSON that is parsed already; where that
package is missing, the standard library's parser is the ceiling.
"""

import json
import sys
import time
import timeit
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from agent.fleet import MissionState, accept, decode_order
from agent.strict_json import parse_strictly
from tests.fleet.orders import AT_START, TYPE, VEHICLE, act, order, order_body, text
from tests.fleet.schemas import SDK, validator

ROUNDS = 5
CALLS = 200
NODES = 20


def per_second(call: Callable[[], object]) -> float:
    """The best of a few rounds, in time of this process: what the machine can do, not what else it did."""
    return CALLS / min(timeit.repeat(call, timer=time.process_time, number=CALLS, repeat=ROUNDS))


def main() -> None:
    actions = {place: (act(f"a{place}", stationType="floor", loadType="EPAL"),) for place in range(NODES)}
    body = text(order_body(order(NODES, actions=actions)))
    value = json.loads(body)
    state = MissionState(1)
    read = decode_order(body, VEHICLE, bytes_max=len(body))[1]
    figures = {
        "decode and accept": per_second(
            lambda: accept(decode_order(body, VEHICLE, bytes_max=len(body))[1], 1, state, AT_START, TYPE)
        ),
        "decode": per_second(lambda: decode_order(body, VEHICLE, bytes_max=len(body))),
        "accept": per_second(lambda: accept(read, 1, state, AT_START, TYPE)),
        "strict JSON alone": per_second(lambda: parse_strictly(body, bytes_max=len(body))),
        "json.loads alone": per_second(lambda: json.loads(body)),
    }
    if SDK and find_spec("fastjsonschema"):
        compiled = import_module("fastjsonschema").compile(validator("order").schema)
        figures["fastjsonschema, parsed already"] = per_second(lambda: compiled(value))
        figures["json.loads and fastjsonschema"] = per_second(lambda: compiled(json.loads(body)))
    sys.stdout.write(f"order of {NODES} nodes and actions, {len(body):,} bytes\n")
    sys.stdout.writelines(f"{figure:10,.0f} /s  {name}\n" for name, figure in figures.items())


if __name__ == "__main__":
    main()
