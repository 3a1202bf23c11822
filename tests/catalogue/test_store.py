"""The catalogue on its SQLite file: imports are all or nothing, and what was imported is found."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.catalogue import Catalogue, CatalogueRefused, CatalogueUnreadable, ImportCounts
from agent.errors import StorageFailed, StorageFull

HEADER = "sku,name,price,currency,gtin,department,category,aisle,bay,stock"
SHOP = f"""{HEADER}
100,Brânză de vaci 250 g,8.50,RON,5900512300108,Lactate,Brânzeturi,A1,3,12
101,Lapte integral 1 l,6.20,RON,036000291452,Lactate,Lapte,A1,4,
1001,Pâine albă,4.00,RON,,Brutărie,Pâine,B2,1,
102,Branzburg beer,3.10,RON,,Drinks,Beer,,,
103,牛奶巧克力,9.90,RON,,Dulciuri,Ciocolată,,,
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(tmp_path / "decide" / "model.sqlite")
    yield opened
    opened.close()


def take(catalogue: Catalogue, text: str) -> ImportCounts:
    return catalogue.import_csv(BytesIO(text.encode()), "p.csv")


def skus(catalogue: Catalogue, typed: str, limit: int = 20) -> list[str]:
    return [product.sku for product in catalogue.search(typed, limit)]


def test_an_import_counts_what_it_did(catalogue: Catalogue) -> None:
    assert take(catalogue, SHOP) == ImportCounts(rows=5, added=5, changed=0, unchanged=0)
    assert catalogue.size == 5
    assert take(catalogue, SHOP) == ImportCounts(rows=5, added=0, changed=0, unchanged=5)
    again = f"{HEADER}\n100,Brânză de burduf,9.00,RON,5900512300108,Lactate,Brânzeturi,A1,3,12\n200,Nou,1,RON,,,,,,\n"
    assert take(catalogue, again) == ImportCounts(rows=2, added=1, changed=1, unchanged=0)
    assert catalogue.size == 6, "products that a file does not name stay"


def test_a_changed_name_is_found_and_the_old_one_is_not(catalogue: Catalogue) -> None:
    take(catalogue, SHOP)
    take(catalogue, f"{HEADER}\n101,Kefir,6.20,RON,,,,,,\n")
    assert skus(catalogue, "kefir") == ["101"]
    assert skus(catalogue, "integral") == []
    assert skus(catalogue, "lapte") == [], "its category went as well"
    assert catalogue.by_gtin("036000291452") == []


def test_an_import_with_one_mistake_changes_nothing(catalogue: Catalogue) -> None:
    take(catalogue, SHOP)
    bad = f"{HEADER}\n100,Other,1.00,RON,,,,,,\n300,New,1.00,RON,,,,,,\n301,,x,RON,,,,,,\n100,Again,1,RON,,,,,,\n"
    with pytest.raises(CatalogueRefused) as raised:
        take(catalogue, bad)
    assert [problem.path for problem in raised.value.problems] == ["p.csv:4 name", "p.csv:4 price", "p.csv:5 sku"]
    assert str(raised.value.problems[2]) == "p.csv:5 sku: already on line 2; expected each sku once"
    assert catalogue.size == 5
    product = catalogue.by_sku("100")
    assert product is not None
    assert product.price == "8.50"
    assert take(catalogue, SHOP).unchanged == 5, "and the next import starts clean"


def test_at_most_20_problems_are_told(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueRefused) as raised:
        take(catalogue, HEADER + "\n" + "1,,x,y,,,,,,\n" * 50)
    assert len(raised.value.problems) == 20


@pytest.mark.parametrize("typed", ["branza", "BRANZA", "brânză", "Branza de", "vaci bra", "bran vac 250"])
def test_diacritics_case_and_word_order_do_not_matter(catalogue: Catalogue, typed: str) -> None:
    take(catalogue, SHOP)
    assert skus(catalogue, typed)[0] == "100"


def test_exact_codes_come_first_then_beginnings(catalogue: Catalogue) -> None:
    take(catalogue, SHOP)
    assert skus(catalogue, "100") == ["100", "1001"]
    assert skus(catalogue, "036000291452") == ["101"]
    assert skus(catalogue, "10", limit=2) == ["100", "1001"]


def test_names_that_begin_so_come_before_names_that_contain_it(catalogue: Catalogue) -> None:
    take(catalogue, f"{HEADER}\n1,Whole milk,1,EUR,,,,,,\n2,Milk whole,1,EUR,,,,,,\n3,Soap,1,EUR,,,Milk,,,\n")
    assert skus(catalogue, "milk") == ["2", "1", "3"]


def test_chinese_is_found_without_spaces(catalogue: Catalogue) -> None:
    take(catalogue, SHOP)
    for typed in ("牛", "牛奶", "奶巧", "巧克力", "力"):
        assert skus(catalogue, typed) == ["103"], typed
    assert skus(catalogue, "力克") == []


@pytest.mark.parametrize("gtin", ["036000291452", "0036000291452", "00036000291452"])
def test_a_code_is_found_with_and_without_leading_zeros(catalogue: Catalogue, gtin: str) -> None:
    take(catalogue, SHOP)
    assert [product.sku for product in catalogue.by_gtin(gtin)] == ["101"]


def test_a_product_is_found_by_sku_with_all_it_has(catalogue: Catalogue) -> None:
    take(catalogue, SHOP)
    product = catalogue.by_sku("100")
    assert product is not None
    assert (product.name, product.price, product.currency, product.gtin) == (
        "Brânză de vaci 250 g",
        "8.50",
        "RON",
        "5900512300108",
    )
    assert (product.department, product.category, product.aisle, product.bay, product.stock) == (
        "Lactate",
        "Brânzeturi",
        "A1",
        "3",
        "12",
    )
    assert catalogue.by_sku("nothing") is None


def test_very_many_matches_are_still_an_answer(catalogue: Catalogue) -> None:
    rows = "".join(f"s{number},Milk number {number},1,EUR,,,Milk,,,\n" for number in range(1_200))
    take(catalogue, f"{HEADER}\n{rows}")
    assert len(skus(catalogue, "milk", 100)) == 100
    assert len(skus(catalogue, "number", 20)) == 20, "more than are ranked"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(max_size=120) | st.sampled_from(["\ud800", "\x00", 'a" OR "b', "NEAR(a b)", "*", "^", "-1"]))
def test_whatever_is_typed_is_a_search_and_not_an_error(catalogue: Catalogue, typed: str) -> None:
    if not catalogue.size:
        take(catalogue, SHOP)
    assert len(catalogue.search(typed, 3)) <= 3


def test_the_catalogue_is_there_again_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "model.sqlite"
    first = Catalogue.open(file)
    take(first, SHOP)
    first.close()
    second = Catalogue.open(file)
    assert second.size == 5
    assert skus(second, "branza")[0] == "100"
    second.close()


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    file = tmp_path / "model.sqlite"
    file.write_bytes(b"this was a database once" * 100)
    catalogue = Catalogue.open(file)
    assert catalogue.size == 0
    assert (tmp_path / "model.sqlite.damaged").read_bytes().startswith(b"this was")
    catalogue.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(CatalogueUnreadable, match="format 2"):
        Catalogue.open(file)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "decide").write_text("a file")
    with pytest.raises(StorageFailed, match="cannot open"):
        Catalogue.open(tmp_path / "decide" / "model.sqlite")


def test_a_full_disk_is_told_and_changes_nothing(tmp_path: Path) -> None:
    catalogue = Catalogue.open(tmp_path / "model.sqlite")
    take(catalogue, SHOP)
    catalogue._writer.execute("PRAGMA max_page_count = 20")
    rows = "".join(f"n{number},Name {number},1,EUR,,,,,,\n" for number in range(5_000))
    with pytest.raises(StorageFull):
        take(catalogue, f"{HEADER}\n{rows}")
    assert catalogue.size == 5
    assert skus(catalogue, "branza")[0] == "100"
    catalogue.close()


def test_a_closed_catalogue_cannot_be_read(tmp_path: Path) -> None:
    catalogue = Catalogue.open(tmp_path / "model.sqlite")
    catalogue.close()
    with pytest.raises(CatalogueUnreadable):
        catalogue.by_sku("1")
    with pytest.raises(StorageFailed):
        take(catalogue, SHOP)


def test_the_catalogue_loads_nothing_heavy() -> None:
    code = "import sys, agent.catalogue; print({'sqlite_utils', 'pandas', 'numpy', 'aiohttp'} & set(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert answer.stdout.strip() == "set()"
