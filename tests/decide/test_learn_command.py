"""`storeforward learn`: a stopped agent's tables warmed from a file, once."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner, Result

from agent.cli import main
from agent.decide import LearnedModel, LearnedTables
from agent.log.lock import StoreLock
from agent.tills.pseudonyms import Pseudonyms

ROWS = ["ts,basket,customer,sku,qty,price"]
for _number in range(40):
    _at = f"2026-01-{_number % 28 + 1:02d}T10:00:00Z"
    ROWS += [f"{_at},b{_number},card-7,bread,1,2.00", f"{_at},b{_number},card-7,butter,1,3.00"]


def history_in(folder: Path, *more: str) -> Path:
    file = folder / "history.csv"
    file.write_text("\n".join((*ROWS, *more)))
    return file


def learn(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["learn", "--data", str(folder / "data"), *options])


def test_a_history_is_learned_and_solved_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    file = history_in(tmp_path)
    first = learn(tmp_path, "--history", str(file), "--json")
    again = learn(tmp_path, "--history", str(file), "--json")
    assert json.loads(first.stdout) == {"baskets": 40, "new": 40, "products": 2, "model": "ease-1"}
    assert json.loads(again.stdout) == {"baskets": 40, "new": 0, "products": 2, "model": "ease-1"}


def test_customers_are_learned_under_their_pseudonyms(tmp_path: Path) -> None:
    learn(tmp_path, "--history", str(history_in(tmp_path)))
    pseudonym = Pseudonyms.open(tmp_path / "data" / "identity").pseudonym("card-7")
    learned = tmp_path / "data" / "decide" / "learned.sqlite"
    with closing(LearnedModel.open(learned)) as model:
        shopper = model.shopper(pseudonym)
        assert shopper is not None
        assert [habit.baskets for habit in model.habits(shopper, shopper.shares).values()] == [40, 40]
    assert b"card-7" not in learned.read_bytes()


def test_only_what_was_before_the_day_counts(tmp_path: Path) -> None:
    told = learn(tmp_path, "--history", str(history_in(tmp_path)), "--before", "2026-01-05", "--json")
    assert json.loads(told.stdout)["baskets"] == 8


def test_a_sale_dated_in_the_future_counts_as_one_of_now(tmp_path: Path) -> None:
    assert learn(tmp_path, "--history", str(history_in(tmp_path, "2055-01-01T00:00:00Z,b,c,tea,1,1"))).exit_code == 0
    with closing(LearnedTables.open(tmp_path / "data" / "decide" / "learned.sqlite")) as tables:
        assert tables.latest_s <= datetime.now(UTC).timestamp()


def test_a_mistake_in_the_file_is_told_with_its_place(tmp_path: Path) -> None:
    told = learn(tmp_path, "--history", str(history_in(tmp_path, "now,b,c,bread,1,1")))
    assert told.exit_code == 1
    assert "history.csv:82 ts: not a moment; expected ISO 8601" in told.output


def test_a_running_agents_folder_is_left_alone(tmp_path: Path) -> None:
    lock = StoreLock.take(tmp_path / "data" / "log")
    told = learn(tmp_path, "--history", str(history_in(tmp_path)))
    lock.release()
    assert told.exit_code == 1
    assert "in use by process" in told.output


def test_one_history_has_to_be_named(tmp_path: Path) -> None:
    assert learn(tmp_path).exit_code == 2
    assert learn(tmp_path, "--history", str(history_in(tmp_path)), "--store", "7").exit_code == 2
