import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.store import Line, SourceRefused
from sim.store.csv_file import BASKET_LINES_MAX, PROBLEMS_MAX, load

HEADER = "ts,basket,customer,sku,qty,price\n"
GOOD = "2026-03-06T17:42:00Z,R1,C7,104233,2,2.49\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sales.csv"


def _problems(file: Path, text: str | bytes) -> list[str]:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SourceRefused) as caught:
        load(file)
    return [str(problem).replace(str(file), "FILE") for problem in caught.value.problems]


def test_a_file_becomes_baskets(file: Path) -> None:
    file.write_text(
        HEADER + GOOD + "2026-03-06T17:42:09Z,R1,,4006381333931,0.345,10\n2026-03-06T09:00:00Z,R2,,x-1,1,0.99\n"
    )
    source = load(file)
    assert (source.name, source.time_zone, source.currency) == ("CSV sales.csv", "UTC", "EUR")
    second, first = source.baskets()[1], source.baskets()[0]
    assert (first.id, first.customer, first.lines[0].gtin) == ("R2", None, None)
    assert (second.id, second.customer, second.starts_at) == ("R1", "C7", datetime(2026, 3, 6, 17, 42, tzinfo=UTC))
    assert second.lines == (
        Line("104233", "2000001042335", "Article 104233", "2", "2.49", "4.98"),
        Line("4006381333931", "4006381333931", "Article 4006381333931", "0.345", "10.00", "3.45"),
    )
    assert {product.sku: product.price for product in source.products()} == {
        "104233": "2.49",
        "4006381333931": "10.00",
        "x-1": "0.99",
    }


def test_lines_of_a_basket_need_not_stand_together_and_come_by_time(file: Path) -> None:
    file.write_text(
        HEADER + "2026-03-06T10:00:08Z,A,,2,1,1\n2026-03-06T10:00:05Z,B,,3,1,1\n2026-03-06T10:00:01Z,A,,1,1,1\n"
    )
    baskets = load(file).baskets()
    assert [(basket.id, [line.sku for line in basket.lines]) for basket in baskets] == [("A", ["1", "2"]), ("B", ["3"])]


def test_columns_may_stand_in_any_order_with_others_between_quotes_and_a_byte_order_mark(file: Path) -> None:
    file.write_bytes(
        b"\xef\xbb\xbf"
        b"Price,note,qty,NAME,sku,customer,basket,ts\r\n"
        b'1.20,"two\r\nlines",1,"Tea, ""green""",7,,R1,2026-03-06 10:00:00+01:00\r\n\r\n'
    )
    (basket,) = load(file).baskets()
    assert basket.starts_at == datetime(2026, 3, 6, 9, tzinfo=UTC)
    assert basket.lines[0].name == 'Tea, "green"'


def test_a_time_without_an_offset_is_the_shops_local_time(file: Path) -> None:
    file.write_text(HEADER + "2026-03-06T10:00:00,R1,,7,1,1.20\n")
    source = load(file, time_zone="Europe/Bucharest", currency="RON")
    assert source.baskets()[0].starts_at == datetime(2026, 3, 6, 8, tzinfo=UTC)
    assert (source.time_zone, source.currency) == ("Europe/Bucharest", "RON")


def test_days_can_be_chosen(file: Path) -> None:
    file.write_text(HEADER + "".join(f"2026-03-0{day}T03:00:00Z,R{day},,7,1,1\n" for day in (5, 6, 7, 8)))
    source = load(file, from_day=date(2026, 3, 5), to_day=date(2026, 3, 6))  # 03:00 belongs to the day before
    assert [basket.id for basket in source.baskets()] == ["R6", "R7"]
    with pytest.raises(SourceRefused, match="no baskets from 2027-01-01 to None; expected days within 2026-03-04 to"):
        load(file, from_day=date(2027, 1, 1))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("yesterday,R1,,7,1,1", "FILE:2 ts: not a date and time; expected ISO 8601, such as 2026-03-06T17:42:00+02:00"),
        ("2026-03-06,R1,,7,1,1", "FILE:2 ts: not a date and time; expected ISO 8601"),
        ("2026-03-06T10:00:00Z,,,7,1,1", "FILE:2 basket: empty; expected 1 to 72 letters, digits or _ . : @ -"),
        ("2026-03-06T10:00:00Z,R 1,,7,1,1", "FILE:2 basket: not usable as an id; expected 1 to 72 letters"),
        (f"2026-03-06T10:00:00Z,{'R' * 73},,7,1,1", "FILE:2 basket: not usable as an id"),
        ("2026-03-06T10:00:00Z,4111111111111111,,7,1,1", "FILE:2 basket: looks like a payment card number"),
        (f"2026-03-06T10:00:00Z,R1,{'c' * 129},7,1,1", "FILE:2 customer: not usable; expected a customer id"),
        ("2026-03-06T10:00:00Z,R1,,7;8,1,1", "FILE:2 sku: not usable as an id; expected 1 to 80 letters"),
        ("2026-03-06T10:00:00Z,R1,,7,,1", "FILE:2 qty: empty; expected a number above 0 with up to 3 decimals"),
        ("2026-03-06T10:00:00Z,R1,,7,0,1", "FILE:2 qty: not a quantity; expected a number above 0"),
        ("2026-03-06T10:00:00Z,R1,,7,0.000,1", "FILE:2 qty: not a quantity"),
        ("2026-03-06T10:00:00Z,R1,,7,-2,1", "FILE:2 qty: negative; expected sold quantities only, such as 2 or 0.345"),
        ("2026-03-06T10:00:00Z,R1,,7,1e3,1", "FILE:2 qty: not a quantity"),
        ("2026-03-06T10:00:00Z,R1,,7,1,", "FILE:2 price: empty; expected a decimal number of 0 or more, such as 2.49"),
        ('2026-03-06T10:00:00Z,R1,,7,1,"2,49"', "FILE:2 price: not an amount; expected a decimal number of 0 or more"),
        ("2026-03-06T10:00:00Z,R1,,7,1,NaN", "FILE:2 price: not an amount"),
        ("2026-03-06T10:00:00Z,R1,,7,1,-1.00", "FILE:2 price: not an amount"),
        ("2026-03-06T10:00:00Z,R1,,7,1", "FILE:2: 5 fields; expected at least 6, as in the header"),
        ('2026-03-06T10:00:00Z,R1,,7,1,"1"x', "FILE:2: not CSV ("),
        ("2026-03-06T10:00:00Z,R1,,7,99999,999999999", "FILE:2 price: a total of 99998999900001.00 in basket R1"),
    ],
)
def test_a_bad_field_is_told_with_line_column_and_example(file: Path, line: str, problem: str) -> None:
    (found,) = _problems(file, f"{HEADER}{line}\n{GOOD}".replace(GOOD, "2026-03-06T17:42:00Z,R9,C7,104233,2,2.49\n"))
    assert found.startswith(problem)


def test_every_bad_field_of_a_line_is_told(file: Path) -> None:
    found = _problems(file, HEADER + ",,,,,\n")
    assert [problem.split(":")[1] for problem in found] == ["2 ts", "2 basket", "2 sku", "2 qty", "2 price"]


def test_a_name_that_no_event_may_carry_is_told(file: Path) -> None:
    (found,) = _problems(file, HEADER.strip() + ",name\n" + GOOD.strip() + ",4111 1111 1111 1111\n")
    assert found.startswith("FILE:2 name: not usable as a name")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["FILE:1: an empty file; expected a header line such as ts,basket,customer,sku,qty,price"]),
        ("\n" + GOOD, ["FILE:1: an empty file"]),
        (HEADER, ["FILE:2: no lines below the header"]),
        ("ts,basket,sku,qty\n", ["FILE:1 customer: missing from the header", "FILE:1 price: missing from the header"]),
        ("ts,ts,basket,customer,sku,qty,price\n", ["FILE:1 ts: twice in the header"]),
        ("ts;basket;customer;sku;qty;price\n", ["FILE:1: columns separated by something else than commas"]),
        (
            GOOD,
            [f"FILE:1 {name}: missing from the header" for name in ("ts", "basket", "customer", "sku", "qty", "price")],
        ),
    ],
)
def test_a_bad_header_is_told(file: Path, text: str, problems: list[str]) -> None:
    found = _problems(file, text)
    assert len(found) == len(problems)
    assert all(told.startswith(problem) for told, problem in zip(found, problems, strict=True))


def test_a_file_that_is_not_utf_8_is_told_with_its_line(file: Path) -> None:
    text = HEADER.encode() + GOOD.encode() * 3 + GOOD.replace("R1", "Ré").encode("latin-1")
    assert _problems(file, text) == ["FILE:5: not UTF-8; expected a file saved as UTF-8"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"nothing\.csv: No such file or directory; expected a CSV file"):
        load(tmp_path / "nothing.csv")


def test_reading_stops_after_twenty_problems(file: Path) -> None:
    found = _problems(file, HEADER + "bad,R1,,7,1,1\n" * 1000)
    assert len(found) == PROBLEMS_MAX
    assert found[-1].startswith(f"FILE:{PROBLEMS_MAX + 1} ts")


def test_line_numbers_count_what_an_editor_shows(file: Path) -> None:
    text = HEADER.strip() + ",name\n" + GOOD.strip() + ',"two\nlines"\n\nbad,R1,,7,1,1,x\n'
    assert _problems(file, text)[-1].startswith("FILE:5 ts: not a date and time")


def test_one_basket_has_one_customer(file: Path) -> None:
    (found,) = _problems(file, HEADER + GOOD + GOOD.replace("C7", "C8"))
    assert re.match(r"FILE:[23] customer: a second customer in basket R1; expected one customer per basket", found)


def test_a_basket_number_that_comes_again_another_day_is_told(file: Path) -> None:
    (found,) = _problems(file, HEADER + GOOD + GOOD.replace("03-06", "03-07"))
    assert found.startswith("FILE:2 basket: the lines of basket R1 are more than 12 hours apart; expected ids unique")


def test_a_basket_that_would_not_fit_into_an_event_is_told(file: Path) -> None:
    (found,) = _problems(file, HEADER + GOOD * (BASKET_LINES_MAX + 1))
    assert found == f"FILE:2 basket: 251 lines in basket R1; expected at most {BASKET_LINES_MAX}"


@given(st.text(max_size=300))
def test_whatever_stands_in_a_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes((HEADER + text).encode("utf-8", "surrogatepass"))
    baskets, problems = _counts(file)
    assert baskets > 0 or 1 <= problems <= PROBLEMS_MAX


def _counts(file: Path) -> tuple[int, int]:
    try:
        return len(load(file).baskets()), 0
    except SourceRefused as refused:
        return 0, len(refused.problems)
