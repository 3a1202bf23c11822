"""What npm's vda-5050-lib has against VDA 5050 2.0.0 messages: the oracle for a version whose schemas ship nowhere."""

import json
import subprocess
from collections.abc import Iterable
from typing import Any

from tests.fleet.peer.processes import node_program

__all__ = ["problems_2_0_0"]


def problems_2_0_0(messages: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:  # Any: JSON
    """For each topic and whole body, the first offence, or an empty text."""
    lines = "".join(json.dumps({"topic": topic, "body": body}) + "\n" for topic, body in messages)
    answer = subprocess.run(node_program("judge.js"), input=lines, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()
