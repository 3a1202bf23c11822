"""A text gets as small as it must, never too small to read, and then its end is left out."""

from hypothesis import given
from hypothesis import strategies as st

from kiosk.fitting import FACTORS, fit, lines_of


def test_what_fits_keeps_its_size() -> None:
    assert fit([40, 40], 5, 20, (100, 20), 1) == (1.0, 2)


def test_a_longer_text_shrinks_before_it_wraps_beyond_its_lines() -> None:
    assert fit([60, 60], 5, 20, (100, 20), 1) == (0.78, 2)
    assert fit([60, 60], 5, 20, (100, 40), 2) == (1.0, 2)


def test_what_does_not_fit_at_all_loses_its_end() -> None:
    factor, kept = fit([60] * 10, 5, 20, (100, 20), 1)
    assert (factor, kept) == (FACTORS[-1], 2)


def test_names_may_refuse_to_shrink() -> None:
    assert fit([60, 60], 5, 20, (100, 20), 1, smallest=0.9)[0] == 0.92


def test_a_word_wider_than_its_box_fits_no_number_of_lines() -> None:
    assert lines_of([200], 5, 100) == float("inf")
    assert fit([200], 5, 20, (100, 20), 3) == (FACTORS[-1], 1)


@given(st.lists(st.floats(1, 300), min_size=1, max_size=30), st.integers(1, 4), st.floats(20, 400), st.floats(10, 200))
def test_what_is_kept_fits(widths: list[float], lines: int, width: float, height: float) -> None:
    factor, kept = fit(widths, 5, 20, (width, height), lines)
    assert factor in FACTORS
    assert 1 <= kept <= len(widths)
    taken = lines_of([one * factor for one in widths[:kept]], 5 * factor, width)
    assert kept == 1 or taken <= lines
