"""A real kiosk process beside a real agent and a till: real touches, and what outlives kills and outages."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.agent_process import running_agent
from tests.kiosk.kiosk_process import KioskProcess, running_kiosk
from tests.kiosk.scenes import HOSTILE
from tests.kiosk.shop import BREAD, BUTTER, CATALOGUE, CODE, Shop, open_shop

pytestmark = pytest.mark.skipif(find_spec("kivy") is None, reason="the kiosk extra is not installed")

VEHICLE = '[[vehicles]]\nid = "agv-1"\nmanufacturer = "acme"\nserial_number = "1"\nport = "{port}"\n'
OPTIONS = ("--till", "till-3", "--size", "1024x600")


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as opened:
        yield opened


def kinds(painted: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {card["sku"]: card["kind"] for card in painted["cards"] if card["sku"]}


def codes(number: int) -> Iterator[str]:
    """So many different GTIN-13."""
    for digits in (f"{one:012d}" for one in range(number)):
        yield digits + str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10)


async def with_butter(shop: Shop, kiosk: KioskProcess) -> int:
    """A basket with bread, and the slot in which butter is suggested."""
    await kiosk.shows(lambda painted: painted["status_kind"] == "online")
    await shop.scan(BREAD)
    painted = await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "idle")
    skus = [card["sku"] for card in painted["cards"]]
    await kiosk.heard(lambda line: line.get("settled", False))
    return skus.index(BUTTER)


async def test_add_goes_to_the_till_and_its_confirmation_is_painted(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk, shop.agent.session() as till:
        slot = await with_butter(shop, kiosk)
        assert kiosk.painted["cards"][slot]["price"] == "€2.49"
        assert kiosk.painted["cards"][slot]["reason"].endswith("baskets here")
        await kiosk.order(do="tap", what="add", slot=slot)
        await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "pending")
        request = await shop.answer(till, "done")
        assert (request["sku"], request["kind"], request["basket_id"]) == (BUTTER, "add_item", "b-1")
        await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "done" and painted["lines"] == 2)
        assert "is in the basket" in kiosk.painted["notice"]


async def test_a_refusal_of_the_till_is_painted_with_its_reason(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk, shop.agent.session() as till:
        slot = await with_butter(shop, kiosk)
        await kiosk.order(do="tap", what="add", slot=slot)
        await shop.answer(till, "refused", "ask for an age check")
        await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "refused")


async def test_not_now_hides_a_card_and_undo_brings_it_back(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        slot = await with_butter(shop, kiosk)
        await kiosk.order(do="tap", what="not_now", slot=slot)
        await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "hidden" and painted["can_undo"])
        await kiosk.order(do="tap", what="undo")
        await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "idle" and not painted["can_undo"])


async def test_undo_of_an_added_item_asks_the_till_to_take_it_out(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk, shop.agent.session() as till:
        slot = await with_butter(shop, kiosk)
        await kiosk.order(do="tap", what="add", slot=slot)
        await shop.answer(till, "done")
        await kiosk.shows(lambda painted: painted["lines"] == 2 and painted["can_undo"])
        await kiosk.order(do="tap", what="undo")
        request = await shop.answer(till, "done")
        assert (request["kind"], request["sku"]) == ("remove_item", BUTTER)
        await kiosk.shows(lambda painted: "taken back" in painted["notice"])


async def test_what_is_in_the_basket_is_asked_for_from_its_shelf_through_an_outage_and_once(tmp_path: Path) -> None:
    async with (
        open_shop(tmp_path, VEHICLE.format(port=tmp_path / "unplugged")) as shop,
        running_kiosk(shop.data, *OPTIONS) as kiosk,
        shop.agent.session() as till,
    ):
        slot = await with_butter(shop, kiosk)
        assert kiosk.painted["cards"][slot]["bring"] == ""
        await kiosk.order(do="tap", what="add", slot=slot)
        await shop.answer(till, "done")
        await kiosk.shows(lambda painted: painted["cards"][slot]["bring"] == "offered")
        await shop.agent.child.kill()
        await kiosk.shows(lambda painted: painted["status_kind"] == "down")
        await kiosk.order(do="tap", what="bring", slot=slot)
        await kiosk.shows(lambda painted: painted["cards"][slot]["bring"] == "asked" and not painted["can_undo"])
        await shop.agent.child.start()
        await kiosk.shows(lambda painted: painted["cards"][slot]["bring"] == "sent")
        await kiosk.keeps(0)


async def test_a_kiosk_killed_in_mid_basket_shows_the_same_basket_again(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        await with_butter(shop, kiosk)
        await kiosk.kill()
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        await kiosk.shows(lambda painted: painted["lines"] == 1 and BUTTER in kinds(painted))
        assert kiosk.painted["basket_id"] == "b-1"


async def test_a_tap_while_the_agent_is_down_survives_the_kiosks_death_and_reaches_the_till_once(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        slot = await with_butter(shop, kiosk)
        await shop.agent.child.kill()
        await kiosk.shows(lambda painted: painted["status_kind"] == "down")
        assert kiosk.painted["lines"] == 1
        await kiosk.order(do="tap", what="add", slot=slot)
        await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "kept")
        await kiosk.keeps(2)  # the request, and that the card was accepted
        await kiosk.kill()
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        await kiosk.shows(lambda painted: painted["status_kind"] == "down")
        await shop.agent.child.start()
        async with shop.agent.session() as till:
            request = await shop.answer(till, "done")
            assert request["sku"] == BUTTER
            await kiosk.shows(lambda painted: painted["lines"] == 2)
    assert len(shop.asked) == 1


async def test_a_kiosk_restarted_without_its_agent_shows_the_last_basket_marked_and_loses_no_tap(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        slot = await with_butter(shop, kiosk)
        await kiosk.keeps_lines(1)
        await shop.agent.child.kill()
        await kiosk.kill()
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        await kiosk.shows(lambda painted: painted["status_kind"] == "down" and painted["as_of"] is not None)
        assert (kiosk.painted["basket_id"], kiosk.painted["lines"]) == ("b-1", 1)
        assert kiosk.painted["cards"][slot]["price"] == "€2.49"
        await kiosk.heard(lambda line: line.get("settled", False))
        await kiosk.order(do="tap", what="add", slot=slot)
        await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "kept")
        await shop.agent.child.start()
        async with shop.agent.session() as till:
            await shop.answer(till, "done")
            await kiosk.shows(lambda painted: painted["lines"] == 2 and painted["as_of"] is None)
    assert [request["sku"] for request in shop.asked.values()] == [BUTTER]


async def test_a_new_price_is_painted_in_its_place_within_two_seconds(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        slot = await with_butter(shop, kiosk)
        published_s = time.monotonic()
        await shop.take_catalogue(CATALOGUE.replace("2.49", "1.99"))
        await kiosk.shows(lambda painted: painted["cards"][slot]["price"] == "€1.99")
        assert kiosk.told[-1]["at_s"] - published_s < 2.0
        assert kinds(kiosk.painted)[BUTTER] == "idle"


async def test_hostile_names_are_painted_as_they_are(shop: Shop) -> None:
    name = (HOSTILE.replace("\x07", "") * 8)[:200]
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        slot = await with_butter(shop, kiosk)
        await shop.take_catalogue(CATALOGUE.replace("Salted butter 250 g", name))
        await kiosk.shows(lambda painted: painted["cards"][slot]["name"] == name)
        await kiosk.order(do="tap", what="add", slot=slot)
        await kiosk.shows(lambda painted: kinds(painted).get(BUTTER) == "pending")


async def test_a_scanner_gone_wild_ends_with_the_last_code_and_a_living_kiosk(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        await with_butter(shop, kiosk)
        await kiosk.order(do="keys", text="".join(f"{code}\n" for code in codes(199)) + f"{CODE}\n")
        await kiosk.shows(lambda painted: painted["found"] == [BUTTER])
        await kiosk.order(do="keys", text="4006381333931\n")
        await kiosk.shows(lambda painted: painted["notice"] == "Unknown barcode 4006381333931")


async def test_an_empty_catalogue_says_what_to_do(tmp_path: Path) -> None:
    async with running_agent(tmp_path) as agent, running_kiosk(agent.folder.path, *OPTIONS) as kiosk:
        await Shop(agent).scan(BREAD, "Country bread")
        await kiosk.shows(lambda painted: painted["lines"] == 1 and "catalogue is empty" in painted["cards_hint"])
        assert kinds(kiosk.painted) == {}


async def test_a_scan_at_the_kiosk_looks_the_product_up_and_adds_it(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk, shop.agent.session() as till:
        await with_butter(shop, kiosk)
        await kiosk.order(do="keys", text=f"{CODE}\n")
        await kiosk.shows(lambda painted: painted["found"] == [BUTTER])
        await kiosk.order(do="tap", what="found", slot=0)
        assert (await shop.answer(till, "done"))["sku"] == BUTTER
        await kiosk.shows(lambda painted: painted["lines"] == 2)


async def test_two_hundred_scans_at_the_till_in_one_go_end_in_the_right_basket(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        await with_butter(shop, kiosk)
        for _ in range(199):
            await shop.scan(BREAD)
        await kiosk.shows(lambda painted: painted["lines"] == 200 and painted["decided_for"] is not None)


async def test_it_ends_in_good_order_when_its_hands_let_go(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        await kiosk.shows(lambda painted: painted["status_kind"] == "online")
        assert await kiosk.stop() == 0


def memory_mb(kiosk: KioskProcess) -> int:
    (line,) = re.findall(
        r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{kiosk.pid}/status").read_text(encoding="ascii"), re.MULTILINE
    )
    return int(line) // 1024


async def test_a_day_of_taps_costs_no_memory(shop: Shop) -> None:
    async with running_kiosk(shop.data, *OPTIONS) as kiosk:
        await with_butter(shop, kiosk)
        used = []
        for _ in range(30):
            await kiosk.order(do="tap", what="look_up")
            await kiosk.shows(lambda painted: painted["found"] is not None)
            await kiosk.order(do="tap", what="close")
            await kiosk.shows(lambda painted: painted["found"] is None)
            used.append(memory_mb(kiosk))
        assert used[-1] - used[5] < 20, used
