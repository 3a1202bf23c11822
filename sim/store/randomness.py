"""Seeded randomness of the simulated shop: the same parts give the same stream of numbers, on every machine."""

from random import Random

__all__ = ["seeded"]


def seeded(*parts: object) -> Random:
    """A generator that depends on the text of `parts` only, so that one part of the day never shifts another."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - a simulation must be repeatable
