"""Who goes to the tills with a kiosk, the shelf that is suggested from, and the history that is learned."""

import csv
from datetime import UTC, date, timedelta
from io import StringIO
from pathlib import Path

from sim.store import SourceOptions, open_source
from sim.store.assortment import COLUMNS, Assortment
from sim.store.attended import LINE_S, LINES_MAX, LINES_MIN, set_apart
from sim.store.generator import DAY, generate
from sim.store.history import GENERATED_DAYS, open_history
from tests.sim.small_day import write_small_day

TILLS = ("till-11", "till-12")
SPEED = 1_000.0


def test_every_basket_goes_to_exactly_one_side() -> None:
    day = generate(1, baskets=400)
    crowd = set_apart(day, TILLS, seed=1, speed=SPEED)
    apart = [visit.basket.id for schedule in crowd.attended for visit in schedule.visits]
    assert [schedule.till_id for schedule in crowd.attended] == list(TILLS)
    assert len(apart) > 10
    assert sorted([*apart, *(basket.id for basket in crowd.others)]) == sorted(basket.id for basket in day.baskets())


def test_a_till_with_a_kiosk_has_time_for_each_customer_however_fast_the_day_is() -> None:
    day = generate(1, baskets=400)
    for speed in (1.0, SPEED, 10 * SPEED):
        for schedule in set_apart(day, TILLS, seed=1, speed=speed).attended:
            free_at = day.starts_at
            for visit in schedule.visits:
                assert visit.starts_at >= free_at
                assert LINES_MIN <= len(visit.basket.lines) <= LINES_MAX
                free_at = visit.starts_at + timedelta(seconds=len(visit.basket.lines) * LINE_S * speed)
            assert free_at < day.ends_at


def test_without_kiosks_nobody_is_set_apart() -> None:
    day = generate(1, baskets=40)
    crowd = set_apart(day, (), seed=1, speed=SPEED)
    assert (crowd.attended, crowd.others) == ((), day.baskets())


def test_the_assortment_is_a_catalogue_with_places_and_enough_stock() -> None:
    day = generate(1, baskets=200)
    rows = list(csv.DictReader(StringIO(Assortment(day, seed=1).csv())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(day.products())
    assert all(int(row["aisle"]) >= 1 <= int(row["bay"]) <= 12 and int(row["stock"]) > 0 for row in rows)


def test_a_file_is_learned_up_to_the_first_day_played(tmp_path: Path) -> None:
    file = write_small_day(tmp_path / "sales.csv", baskets=120)
    options = SourceOptions(data_file=file, from_day=date(2026, 3, 7))
    history = open_history(options, open_source(options), tmp_path / "history.csv")
    assert history is not None
    assert (history.file, history.before) == (file, date(2026, 3, 7))
    assert not (tmp_path / "history.csv").exists()


def test_a_file_that_is_played_whole_has_no_history(tmp_path: Path) -> None:
    options = SourceOptions(data_file=write_small_day(tmp_path / "sales.csv"))
    assert open_history(options, open_source(options), tmp_path / "history.csv") is None


def test_the_generators_history_is_earlier_days_of_the_same_households(tmp_path: Path) -> None:
    options = SourceOptions(dataset_folder=None, baskets=50)
    day = open_source(options)
    history = open_history(options, day, tmp_path / "history.csv")
    assert history is not None
    with history.file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert history.before == DAY
    assert len({row["basket"] for row in rows}) == 50 * GENERATED_DAYS
    assert max(row["ts"] for row in rows) < day.starts_at.astimezone(UTC).isoformat()
    known = {basket.customer for basket in day.baskets() if basket.customer is not None}
    assert known & {row["customer"] for row in rows}
