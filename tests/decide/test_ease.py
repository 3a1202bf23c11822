"""The solve against its definition, and its answer's form."""

import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.decide.ease import gram, solve_weights, strongest
from agent.decide.solve import solve
from agent.decide.solved import SolvedModel, SolveFailed
from tests.decide.shop import bought, many, open_tables


def test_the_gram_matrix_counts_baskets_with_both() -> None:
    baskets = np.array([7, 7, 7, 8, 8, 9])
    items = np.array([0, 1, 2, 1, 0, 2])
    assert gram(baskets, items, 3).tolist() == [[2, 2, 1], [2, 2, 1], [1, 1, 2]]


def test_weights_are_the_least_squares_that_leave_each_item_out() -> None:
    """Steck's closed form solves a ridge regression of each column on all others."""
    held = np.random.default_rng(3).integers(0, 2, (50, 6)).astype(float)
    weights = solve_weights(held.T @ held, regularisation=2.0)
    for target in range(6):
        others = [item for item in range(6) if item != target]
        left = held[:, others].T @ held[:, others] + 2.0 * np.eye(5)
        expected = np.linalg.solve(left, held[:, others].T @ held[:, target])
        assert weights[others, target] == pytest.approx(expected, rel=1e-4)
        assert weights[target, target] == 0


def test_only_the_strongest_positive_neighbours_are_kept() -> None:
    weights = np.array([[0.0, 0.3, -0.2, 0.5]] * 4, dtype=np.float32)
    found = strongest(weights, np.array([10, 20, 30, 40]), count=2)
    assert found[10] == [(40, 0.5), (20, pytest.approx(0.3))]


@given(
    st.dictionaries(
        st.integers(0, 2**31 - 1),
        st.lists(st.tuples(st.integers(0, 2**31 - 1), st.floats(0, 1, width=32)), max_size=5),
        max_size=5,
    ),
    st.integers(0, 10**9),
)
def test_a_model_survives_its_way_between_the_processes(
    neighbours: dict[int, list[tuple[int, float]]], baskets: int
) -> None:
    model = SolvedModel(baskets, neighbours)
    assert SolvedModel.from_bytes(model.to_bytes()) == model


@pytest.mark.parametrize(
    "answer", [b"", b"{}\n", b'{"baskets": 1, "rows": [[1, 8]]}\nshort', b'{"baskets": 1, "rows": []}\nmore']
)
def test_another_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(SolveFailed):
        SolvedModel.from_bytes(answer)


def test_the_child_answers_what_a_solve_here_gives(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables:
        tables.take([*many(20, "bread", "butter"), *many(10, "tea", first_key=50), bought("rare", key=99)])
        command = [sys.executable, "-m", "agent.decide.solve", str(tables.file), "100"]
        answer = run(command, capture_output=True, check=True).stdout
        here = solve(tables.file, 100)
    assert SolvedModel.from_bytes(answer) == here
    assert here.baskets == 31
    assert {number: [other for other, _ in row] for number, row in here.neighbours.items()} == {1: [2], 2: [1], 3: []}


def test_no_more_items_than_asked_are_solved(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables:
        tables.take([*many(20, "bread", "butter"), *many(10, "tea", first_key=50)])
        assert set(solve(tables.file, 2).neighbours) == {1, 2}
        assert solve(tables.file, 0).neighbours == {}
