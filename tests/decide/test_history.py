"""Past sales from CSV: what is read, what is refused with its place, and baskets put together in bounded memory."""

import pytest

from agent.decide.history import HistoryRefused, SoldBasket, SoldLine, group_lines, read_history

HEADER = "ts,basket,customer,sku,qty,price"


def read(*rows: str) -> list[SoldLine]:
    return list(read_history([f"{row}\n" for row in (HEADER, *rows)], "h.csv"))


def test_lines_are_read_with_time_and_customer() -> None:
    (line,) = read("1970-01-01T01:00:00+01:00,b-1,c7,bread,2,1.50")
    assert line == SoldLine(0.0, "b-1", "c7", "bread")
    (anonymous,) = read("1970-01-01T00:00:05,b-1,,bread,0.345,")
    assert (anonymous.at_s, anonymous.customer) == (5.0, None)


def test_returned_lines_pass_by() -> None:
    assert read("1970-01-01T00:00:00,b,,bread,-1,1", "1970-01-01T00:00:00,b,,bread,0,1") == []


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ("yesterday,b,,bread,1,1", "h.csv:3 ts"),
        ("1970-01-01T00:00:00,b b,,bread,1,1", "h.csv:3 basket"),
        ("1970-01-01T00:00:00,b,,,1,1", "h.csv:3 sku"),
        ("1970-01-01T00:00:00,b,,bread,many,1", "h.csv:3 qty"),
        ("1970-01-01T00:00:00,b,,bread,nan,1", "h.csv:3 qty"),
        ("1970-01-01T00:00:00,b", "h.csv:3"),
        ('1970-01-01T00:00:00,"b"x,,bread,1,1', "h.csv:3"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_column(row: str, where: str) -> None:
    with pytest.raises(HistoryRefused) as refused:
        read("1970-01-01T00:00:00,b,,bread,1,1", row)
    assert refused.value.problems[0].path == where


def test_a_missing_column_is_told() -> None:
    with pytest.raises(HistoryRefused, match=r"h.csv:1 customer: not once in the header"):
        list(read_history(["ts,basket,sku,qty\n"], "h.csv"))


def line(basket: str, sku: str, at_s: float = 0.0) -> SoldLine:
    return SoldLine(at_s, basket, None, sku)


def test_a_baskets_lines_need_not_stand_together() -> None:
    lines = [line("a", "1", 5.0), line("b", "1"), line("a", "2", 9.0), line("a", "1")]
    assert list(group_lines(lines)) == [SoldBasket("b", 0.0, None, ("1",)), SoldBasket("a", 5.0, None, ("1", "2"))]


def test_a_basket_is_given_out_once_no_line_of_it_came_for_long() -> None:
    given_out: list[str] = []

    def lines() -> list[SoldLine]:
        return [line(str(number // 2), "1") for number in range(100)]

    taken = iter(lines())
    for basket in group_lines(taken, open_lines=10):
        given_out.append(basket.id)
        if len(given_out) == 1:
            assert next(taken).basket == "6"
    assert given_out[0] == "0"
    assert len(given_out) == 50
