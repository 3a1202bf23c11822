"""`python -m agent.decide.solve FILE ITEMS`: solves a model from learned tables and writes it to its standard output.

A process of its own, because numpy and the inverse take 180 MB for 2,000 products that the agent never gives back.
"""

import os
import sys
from pathlib import Path
from typing import Final

import numpy as np

from agent.decide.ease import gram, solve_weights, strongest
from agent.decide.solved import SolvedModel
from agent.decide.tables_lines import read_lines

__all__ = ["main", "solve"]

NICENESS: Final = 10  # tills first


def solve(file: Path, items_max: int) -> SolvedModel:
    """The model of the most bought products.

    Raises:
        LearnedUnreadable: when the file cannot be read.
    """
    lines = read_lines(file, items_max)
    baskets, items = (np.frombuffer(column, dtype=np.int64) for column in (lines.baskets, lines.items))
    by_basket = np.argsort(baskets, kind="stable")
    together = gram(baskets[by_basket], items[by_basket], len(lines.numbers))
    numbers = np.frombuffer(lines.numbers, dtype=np.int64)
    return SolvedModel(lines.basket_count, strongest(solve_weights(together), numbers))


def main() -> None:
    """Solve, and write the model."""
    file, items_max = Path(sys.argv[1]), int(sys.argv[2])
    os.nice(NICENESS)
    sys.stdout.buffer.write(solve(file, items_max).to_bytes())


if __name__ == "__main__":
    main()
