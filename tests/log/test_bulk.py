"""Many rows with few statements: every row arrives once and in order, whatever their number."""

import sqlite3
from contextlib import closing

import pytest

from agent.log.bulk import ROWS_PER_STATEMENT, insert_rows


@pytest.mark.parametrize(
    "rows", [0, 1, 2, 3, 7, ROWS_PER_STATEMENT - 1, ROWS_PER_STATEMENT, ROWS_PER_STATEMENT + 1, 1_000]
)
def test_every_row_is_inserted_in_order(rows: int) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        values = [value for row in range(rows) for value in (row, f"text {row}")]
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        insert_rows(connection, "t (a, b)", 2, values)
        connection.set_trace_callback(None)
        assert len(statements) <= rows / ROWS_PER_STATEMENT + 8
        found = connection.execute("SELECT a, b FROM t ORDER BY rowid").fetchall()
        assert found == [(row, f"text {row}") for row in range(rows)]
