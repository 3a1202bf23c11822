"""Inserts many rows with few statements: each statement lets other threads take the interpreter, and wait for it."""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

__all__ = ["insert_rows"]

ROWS_PER_STATEMENT: Final = 64


def insert_rows(connection: sqlite3.Connection, into: str, columns: int, values: Sequence[int | str | bytes]) -> None:
    """Insert the rows that stand one after the other in `values` into a table, named with its columns."""
    at = 0
    while left := (len(values) - at) // columns:
        rows = min(
            1 << (left.bit_length() - 1), ROWS_PER_STATEMENT
        )  # few sizes, so that prepared statements serve again
        connection.execute(_statement(into, columns, rows), values[at : at + rows * columns])
        at += rows * columns


@lru_cache(maxsize=256)
def _statement(into: str, columns: int, rows: int) -> str:
    row = f"({','.join('?' * columns)})"
    return " ".join(("INSERT INTO", into, "VALUES", ",".join([row] * rows)))
