"""An event with a text in it that a till may have sent."""

import json
from random import Random

from agent.clock import IdFactory
from agent.events import Draft, EventDecoder, Origin
from agent.topics import DeviceName
from tests.examples import EXAMPLES
from tests.log.world import NOON

__all__ = ["scanned"]

_decoder = EventDecoder(
    Origin(DeviceName("store-1", "box-1")), wall=lambda: NOON, new_id=IdFactory(lambda: NOON, Random(3))
)


def scanned(description: str, event_id: str = "e-1") -> Draft:
    """A scan whose item is described so."""
    data = {**EXAMPLES["pos.scan.v1"], "description": description}
    return _decoder.decode(json.dumps({"type": "pos.scan.v1", "id": event_id, "data": data}).encode(), "till-1")[0]
