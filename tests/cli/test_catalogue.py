"""`storeforward catalogue import`: into a running agent over its socket, into a stopped one directly."""

import asyncio
import json
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.catalogue import Catalogue
from agent.cli import main
from tests.api.api_world import open_world

SHOP = "sku,name,price,currency\n100,Brânză,8.50,RON\n101,Lapte,6.20,RON\n"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["catalogue", "import", *map(str, arguments)])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.csv"
    file.write_text(SHOP, encoding="utf-8")
    return file


def found_in(data: Path, typed: str) -> list[str]:
    with closing(Catalogue.open(data / "decide" / "model.sqlite")) as catalogue:
        return [product.sku for product in catalogue.search(typed, 10)]


def test_a_stopped_agent_has_the_products_when_it_starts(tmp_path: Path, shop: Path) -> None:
    data = tmp_path / "data"
    result = invoke(shop, "--data", data)
    assert (result.exit_code, result.stdout) == (0, "2 products read: 2 new, 0 changed, 0 as before.\n")
    assert found_in(data, "branza") == ["100"]
    again = invoke(shop, "--data", data, "--json")
    assert json.loads(again.stdout) == {"rows": 2, "added": 0, "changed": 0, "unchanged": 2}


async def test_a_running_agent_takes_them_itself(tmp_path: Path, shop: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        result = await asyncio.to_thread(invoke, shop, "--data", world.folder.path, "--json")
        assert json.loads(result.stdout) == {"rows": 2, "added": 2, "changed": 0, "unchanged": 0}
        assert (await world.local().get("/v1/products/101")).json["name"] == "Lapte"


@pytest.mark.parametrize("running", [False, True])
async def test_mistakes_are_told_by_file_line_and_column(tmp_path: Path, shop: Path, *, running: bool) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text('sku,name,price,currency\n1,A,1.00,RON\n2,B,"1,5",RON\n')
    lines = f"{bad}:3 price: '1,5' is not a price; expected a decimal with a point, such as 12.50\nNothing was taken.\n"
    async with open_world(tmp_path / "data") if running else nullcontext():
        result = await asyncio.to_thread(invoke, bad, "--data", tmp_path / "data")
    assert (result.exit_code, result.stderr) == (1, lines)
    assert found_in(tmp_path / "data", "a") == []


def test_with_json_mistakes_are_json_too(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("sku\n")
    result = invoke(bad, "--data", tmp_path / "data", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"][0] == {
        "path": f"{bad}:1",
        "problem": "column name is missing",
        "expected": "a first line with sku, name, price, currency",
    }


async def test_another_import_under_way_is_told(tmp_path: Path, shop: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        world.api._products._importing = True
        result = await asyncio.to_thread(invoke, shop, "--data", world.folder.path)
        assert (result.exit_code, result.stderr) == (1, "another import is running\nNothing was taken.\n")


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert invoke(tmp_path / "none.csv").exit_code == 2
