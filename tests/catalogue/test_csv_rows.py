"""A product file is read row by row, and each mistake is named by file, line and column."""

from io import BytesIO

import pytest

from agent.catalogue import CatalogueRefused, Product, read_products
from agent.errors import Problem

HEADER = "sku,name,price,currency"


def rows_of(text: str | bytes) -> list[tuple[int, Product | list[Problem]]]:
    return list(read_products(BytesIO(text.encode() if isinstance(text, str) else text), "p.csv"))


def refused(text: str | bytes) -> list[str]:
    with pytest.raises(CatalogueRefused) as raised:
        rows_of(text)
    assert str(raised.value) == "\n".join(map(str, raised.value.problems))
    return [str(problem) for problem in raised.value.problems]


def test_rows_become_products_with_their_line_numbers() -> None:
    text = f"{HEADER},gtin,aisle\n1,Milk,1.29,EUR,4006381333931,A3\n\n2,Bread,0.99,EUR,,\n"
    assert rows_of(text) == [
        (2, Product(sku="1", name="Milk", price="1.29", currency="EUR", gtin="4006381333931", aisle="A3")),
        (4, Product(sku="2", name="Bread", price="0.99", currency="EUR")),
    ]


def test_columns_may_come_in_any_order_case_and_with_a_byte_order_mark() -> None:
    assert rows_of("\ufeffCurrency, NAME ,sku,Price\nEUR,Milk,1,1.29\n") == [
        (2, Product(sku="1", name="Milk", price="1.29", currency="EUR"))
    ]


def test_quoted_cells_may_hold_commas_and_line_ends() -> None:
    text = f'{HEADER}\n1,"Milk, whole\n1 l",1.29,EUR\n2,Bread,1,EUR\n'
    assert [(line, product.name) for line, product in rows_of(text) if isinstance(product, Product)] == [
        (2, "Milk, whole\n1 l"),
        (4, "Bread"),
    ]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("1,Milk,1.29", "p.csv:2: 3 cells; expected 4, as in the first line"),
        (",Milk,1.29,EUR", "p.csv:2 sku: missing; expected 1 to 80 letters, digits or . : @ _ -"),
        ("a b,Milk,1,EUR", "p.csv:2 sku: 'a b' is not a sku; expected 1 to 80 letters, digits or . : @ _ -"),
        ('1,Milk,"1,29",EUR', "p.csv:2 price: '1,29' is not a price; expected a decimal with a point, such as 12.50"),
        ("1,Milk,-1,EUR", "p.csv:2 price: '-1' is not a price; expected a decimal with a point, such as 12.50"),
        ("1,Milk,NaN,EUR", "p.csv:2 price: 'NaN' is not a price; expected a decimal with a point, such as 12.50"),
        ("1,Milk,1,euro", "p.csv:2 currency: 'euro' is not a currency; expected an ISO 4217 code such as EUR"),
    ],
)
def test_a_bad_cell_is_named(cells: str, problem: str) -> None:
    ((line, found),) = rows_of(f"{HEADER}\n{cells}\n")
    assert line == 2
    assert isinstance(found, list)
    assert [str(item) for item in found] == [problem]


def test_a_gtin_needs_its_check_digit() -> None:
    ((_, found),) = rows_of(f"{HEADER},gtin\n1,Milk,1,EUR,4006381333932\n")
    assert isinstance(found, list)
    assert [str(item) for item in found] == [
        "p.csv:2 gtin: '4006381333932' is not a gtin; expected 8, 12, 13 or 14 digits with a valid check digit"
    ]


def test_all_problems_of_a_row_are_named() -> None:
    ((_, found),) = rows_of(f"{HEADER}\n1,,x,y\n")
    assert isinstance(found, list)
    assert [item.path for item in found] == ["p.csv:2 name", "p.csv:2 price", "p.csv:2 currency"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["p.csv:1: column sku is missing; expected a first line with sku, name, price, currency"]),
        (
            "sku;name;price;currency\n",
            ["p.csv:1: column sku is missing; expected commas between the columns"],
        ),
        (f"{HEADER},gitn\n", ["p.csv:1: unknown column 'gitn'; expected gtin?"]),
        (f"{HEADER},sku\n", ["p.csv:1: column sku appears twice; expected each column once"]),
        (
            f'{HEADER}\n1,"Milk"x,1,EUR\n',
            ["p.csv:2: not CSV: ',' expected after '\"'; expected comma-separated values (RFC 4180)"],
        ),
    ],
)
def test_what_cannot_be_read_at_all_is_refused(text: str, problems: list[str]) -> None:
    assert refused(text)[: len(problems)] == problems


def test_a_column_of_our_own_making_lists_what_there_is() -> None:
    (problem,) = refused(f"{HEADER},colour_of_the_box\n")
    assert problem.startswith(
        "p.csv:1: unknown column 'colour_of_the_box'; expected one of sku, name, price, currency,"
    )


def test_other_encodings_are_refused_with_the_line() -> None:
    (problem,) = refused(f"{HEADER}\n1,Caf\xe9,1,EUR\n".encode("latin-1"))
    assert problem.startswith(("p.csv:1: not UTF-8", "p.csv:2: not UTF-8"))


def test_the_source_stays_open_for_its_owner() -> None:
    source = BytesIO(f"{HEADER}\n".encode())
    assert list(read_products(source, "p.csv")) == []
    assert not source.closed
