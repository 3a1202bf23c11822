"""Products from CSV, one row at a time, with every problem named by file, line and column."""

import csv
from collections.abc import Generator
from difflib import get_close_matches
from io import TextIOWrapper
from typing import IO, Final

from pydantic import ValidationError

from agent.catalogue.product import PRODUCT_FIELDS, Product
from agent.errors import CallerError, Problem

__all__ = ["COLUMNS", "PROBLEMS_MAX", "CatalogueRefused", "read_products"]

COLUMNS: Final = PRODUCT_FIELDS
REQUIRED: Final = tuple(name for name, field in Product.model_fields.items() if field.is_required())
PROBLEMS_MAX: Final = 20

_EXPECTED: Final = {
    "sku": "1 to 80 letters, digits or . : @ _ -",
    "gtin": "8, 12, 13 or 14 digits with a valid check digit",
    "name": "1 to 400 characters",
    "price": "a decimal with a point, such as 12.50",
    "currency": "an ISO 4217 code such as EUR",
    "department": "1 to 400 characters",
    "category": "1 to 400 characters",
    "aisle": "1 to 80 characters",
    "bay": "1 to 80 characters",
    "stock": "a decimal with a point, such as 12",
}


class CatalogueRefused(CallerError):
    """A product file with mistakes; `problems` carry `file:line column` as their path. Nothing of it was taken."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def read_products(source: IO[bytes], name: str) -> Generator[tuple[int, Product | list[Problem]], None, None]:
    """Line number and product of each row, or what is wrong with that row; close it before `source`.

    Raises:
        CatalogueRefused: when no further row can be read: the header, the encoding, the CSV form.
    """
    text = TextIOWrapper(source, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        columns = _header(next(reader, []), name)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield line, _product(cells, columns, f"{name}:{line}")
            line = reader.line_num + 1
    except csv.Error as error:
        raise CatalogueRefused(
            Problem(f"{name}:{reader.line_num}", f"not CSV: {error}", "comma-separated values (RFC 4180)")
        ) from None
    except UnicodeDecodeError as error:
        where = f"{name}:{reader.line_num + 1}"
        raise CatalogueRefused(
            Problem(where, f"not UTF-8: {error.reason}", "UTF-8, on this line or just after it")
        ) from None
    finally:
        text.detach()


def _header(cells: list[str], name: str) -> list[str]:
    columns = [cell.strip().lower() for cell in cells]
    where = f"{name}:1"
    problems = [
        Problem(where, f"column {column} is missing", _header_hint(cells))
        for column in REQUIRED
        if column not in columns
    ]
    for place, column in enumerate(columns):
        if column not in COLUMNS:
            close = get_close_matches(column, COLUMNS, 1)
            problems.append(
                Problem(
                    where,
                    f"unknown column {column[:40]!r}",
                    f"{close[0]}?" if close else "one of " + ", ".join(COLUMNS),
                )
            )
        elif column in columns[:place]:
            problems.append(Problem(where, f"column {column} appears twice", "each column once"))
    if problems:
        raise CatalogueRefused(*problems[:PROBLEMS_MAX])
    return columns


def _header_hint(cells: list[str]) -> str:
    if len(cells) == 1 and (";" in cells[0] or "\t" in cells[0]):
        return "commas between the columns"
    return "a first line with " + ", ".join(REQUIRED)


def _product(cells: list[str], columns: list[str], where: str) -> Product | list[Problem]:
    if len(cells) != len(columns):
        return [Problem(where, f"{len(cells)} cells", f"{len(columns)}, as in the first line")]
    row = {column: text for column, cell in zip(columns, cells, strict=True) if (text := cell.strip())}
    try:
        return Product.model_validate(row)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [_problem(str(item["loc"][0]), row, where) for item in found]


def _problem(column: str, row: dict[str, str], where: str) -> Problem:
    value = row.get(column)
    said = f"{value[:40]!r} is not a {column}" if value is not None else "missing"
    return Problem(f"{where} {column}", said, _EXPECTED[column])
