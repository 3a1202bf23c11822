"""The screen is divided once: three to five fixed slots, and room for everything at each size."""

import pytest

from kiosk.arrangement import arrange


@pytest.mark.parametrize(
    ("size", "slots", "columns", "portrait"),
    [((1280, 800), 4, 2, False), ((1024, 600), 3, 3, False), ((800, 1280), 4, 2, True)],
)
def test_the_three_screens_of_the_product(size: tuple[int, int], slots: int, columns: int, *, portrait: bool) -> None:
    found = arrange(*size)
    assert (found.slots, found.columns, found.portrait) == (slots, columns, portrait)
    assert found.lines >= 4
    assert found.found_rows >= 2


@pytest.mark.parametrize(("wanted", "slots"), [(1, 3), (3, 3), (5, 5), (9, 5)])
def test_there_are_three_to_five_slots(wanted: int, slots: int) -> None:
    assert arrange(1280, 800, slots=wanted).slots == slots


def test_larger_text_leaves_fewer_lines_and_never_none() -> None:
    lines = [arrange(1024, 600, text_scale=scale).lines for scale in (1.0, 1.3, 1.6)]
    assert lines == sorted(lines, reverse=True)
    assert lines[-1] >= 2
