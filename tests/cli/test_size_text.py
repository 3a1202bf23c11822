"""Sizes are told in a unit in which they are not nothing."""

import pytest

from agent.cli.size_text import size_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_659, "1.7 kB"), (343_900_000, "343.9 MB"), (5_200_000_000, "5,200.0 MB")],
)
def test_a_size_is_told_in_the_largest_unit_of_which_there_is_one(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text
