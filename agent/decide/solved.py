"""A solved model as a value: each product's strongest neighbours; and its form between the child and the agent."""

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from agent.errors import EnvironmentFault

__all__ = ["NEIGHBOURS_MAX", "Neighbours", "SolveFailed", "SolvedModel", "pack_neighbours", "unpack_neighbours"]

NEIGHBOURS_MAX: Final = 50
"""Neighbours kept per product: 400 bytes each, and within 0.004 recall of keeping all."""

NUMBER_BYTES: Final = 4

Neighbours = Sequence[tuple[int, float]]
"""Numbers of other products with their weights, the strongest first."""


class SolveFailed(EnvironmentFault):
    """The child process that solves did not end well; the model before it stays."""


@dataclass(frozen=True, slots=True)
class SolvedModel:
    """Neighbours by the number of the product they stand beside, and what they were solved from."""

    baskets: int
    neighbours: Mapping[int, Neighbours]

    def to_bytes(self) -> bytes:
        """One line of JSON, then the packed rows one after the other."""
        rows = {number: pack_neighbours(row) for number, row in self.neighbours.items()}
        sizes = [[number, len(row)] for number, row in rows.items()]
        head = json.dumps({"baskets": self.baskets, "rows": sizes})
        return head.encode("ascii") + b"\n" + b"".join(rows.values())

    @classmethod
    def from_bytes(cls, text: bytes) -> Self:
        """What `to_bytes` gave.

        Raises:
            SolveFailed: for anything else.
        """
        head, _, rest = text.partition(b"\n")
        try:
            told = json.loads(head)
            neighbours, start = {}, 0
            for number, size in told["rows"]:
                neighbours[int(number)] = unpack_neighbours(rest[start : start + size])
                start += size
            model = cls(int(told["baskets"]), neighbours)
        except (ValueError, KeyError, TypeError) as error:
            raise SolveFailed(f"the solver's answer cannot be read: {error}") from error
        if start != len(rest):
            raise SolveFailed(f"the solver's answer has {len(rest):,} bytes of rows instead of {start:,}")
        return model


def pack_neighbours(row: Neighbours) -> bytes:
    """Numbers and then weights, 4 bytes each."""
    return array("i", [number for number, _ in row]).tobytes() + array("f", [weight for _, weight in row]).tobytes()


def unpack_neighbours(packed: bytes) -> list[tuple[int, float]]:
    """What `pack_neighbours` was given, weights in single precision."""
    half = len(packed) // 2
    if half % NUMBER_BYTES or len(packed) % 2:
        raise ValueError(f"{len(packed)} bytes are no row of neighbours")
    numbers, weights = array("i"), array("f")
    numbers.frombytes(packed[:half])
    weights.frombytes(packed[half:])
    return list(zip(numbers, weights, strict=True))
