"""The contest end to end on a tiny history, through the command, and its answers recomputed from the dump."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from agent.cli import main
from sim.evaluate.baselines import AssociationRules, BasketEase, PersonalTop, Popularity, pair_counts
from sim.evaluate.protocol import Query, Split
from sim.evaluate.sold_lines import SoldLines
from tests.sim.evaluate.history import SPLIT_S, history


def csv_of(folder: Path) -> Path:
    file = folder / "sales.csv"
    rows = ["ts,basket,customer,sku,qty,price"]
    for sold in history():
        at = np.datetime64(int(sold.at_s), "s")
        rows += [f"{at},{sold.id},{sold.customer},{sku},1,1.00" for sku in sold.skus]
    file.write_text("\n".join(rows))
    return file


def test_the_command_tells_every_row_and_the_dump_gives_the_same_figures(tmp_path: Path) -> None:
    dump = tmp_path / "dump.jsonl"
    command = ["evaluate", "--data", str(csv_of(tmp_path)), "--split", "1970-04-11", "--json", "--dump", str(dump)]
    answer = CliRunner().invoke(main, command, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert document["catalogue"] == 16
    rows = {(row["task"], row["scope"], row["model"]): row for row in document["rows"]}
    chain = {"popularity", "association_rules", "personal_top_frequency", "ease_basket_only", "storeforward"}
    assert {model for task, scope, model in rows if (task, scope) == ("basket", "chain")} == chain
    ours, popular = (rows["basket", "chain", name]["recall10"] for name in ("storeforward", "popularity"))
    assert ours > popular + 0.1
    low, high = rows["basket", "chain", "storeforward"]["recall10_ci"]
    assert low <= ours <= high
    queries = {query.id: query for query in Split.at(SoldLines.of(history()), SPLIT_S, seed=1).queries("basket")}
    recalls = []
    for line in map(json.loads, dump.read_text().splitlines()):
        if (line["task"], line["scope"], line["model"]) == ("basket", "chain", "storeforward"):
            bought = {f"s{item:02d}" for item in queries[line["query"]].bought}
            recalls.append(len(bought & set(line["items"])) / len(bought))
    assert round(float(np.mean(recalls)), 4) == ours
    assert rows["next", "store", "storeforward"]["queries"] == 10


def query(*given: int, household: int = -1) -> Query:
    return Query("q", household, 0, given, frozenset({0}))


def test_baselines_by_hand() -> None:
    """Products 8 to 15 go together in this history, and 0 to 7."""
    split = Split.at(SoldLines.of(history()), SPLIT_S, seed=1)
    together = pair_counts(split)
    assert together[0, 0] == (split.train.item == 0).sum()
    counts = np.bincount(split.train.item)
    assert Popularity(split).answer(query(int(counts.argmax())))[0] == int(np.argsort(-counts)[1])
    assert set(AssociationRules(together).answer(query(8, 9))[:6]) == set(range(10, 16))
    assert set(PersonalTop(split).answer(query(household=1))[:8]) == set(range(8))
    assert len(PersonalTop(split).answer(query())) == 10
    assert set(BasketEase(together.copy()).answer(query(0, 1, 2))) & set(range(3)) == set()


def test_what_the_command_needs_is_said() -> None:
    runner = CliRunner()
    assert "Give one of" in runner.invoke(main, ["evaluate"]).output
    assert "needs --split" in runner.invoke(main, ["evaluate", "--data", __file__]).output
