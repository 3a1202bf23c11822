"""What is made of vehicles' truth, fleet control's reports and the shop's events; and the floor that they drive on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.fleet.topics import VehicleIdentity
from firmware_bridge import LatchCause
from sim.demo.checks import check_vehicles
from sim.demo.missions import MissionFigures, Missions, missions_of
from sim.demo.shop_floor import ShopFloor
from sim.demo.stops import PERSON, Stalls, StopAsked
from sim.demo.vehicles import Vehicles
from sim.fleet_control import Errand, ErrandReport, Progress
from sim.fleet_control.route import shortest_route
from sim.store.assortment import Assortment
from sim.store.source import SourceOptions, open_source
from sim.vehicle import Seen

Json = Any  # Any: JSON
Events = dict[str, list[Json]]

AGV = VehicleIdentity("acme", "0001")
STOP = StopAsked("agv-1", by_command=False, asked_s=5.0)


def seen(at_s: float, what: str, cause: LatchCause = LatchCause.RELEASED) -> Seen:
    return Seen(int(at_s * 1e6), what, {"latch": 1, "cause": int(cause)})


TRUTH = [
    seen(0.0, "latched", LatchCause.BOOT),
    seen(1.0, "released"),
    seen(2.0, "move_begin"),
    seen(3.0, "pick"),
    seen(5.004, "standstill", LatchCause.STOP),
    seen(5.004, "latched", LatchCause.STOP),
    seen(7.0, "released"),
    seen(7.1, "move_begin"),
    seen(8.0, "drop"),
]


def finished(action_id: str, kind: str, status: str = "finished") -> Json:
    return {"vehicle_id": "agv-1", "action_id": action_id, "action_type": kind, "status": status}


def events(*actions: Json, released_by: str = PERSON, brings: tuple[str, ...] = ()) -> Events:
    told = actions or (finished("a-pick", "pick"), finished("a-drop", "drop"))
    return {
        "agv.action.v1": list(told),
        "agv.stop.v1": [{"action": "released", "requested_by": released_by}],
        "kiosk.bring.v1": [{"request_id": request_id} for request_id in brings],
    }


def report(errand_id: str = "restock-1", progress: Progress = Progress.FINISHED, reason: str = "") -> ErrandReport:
    return ErrandReport(Errand(errand_id, "4", "stock-room", "shelf-1-1"), progress, "a", AGV, reason)


def missions(
    truth: list[Seen] = TRUTH,
    reports: tuple[ErrandReport, ...] = (report(),),
    stops: tuple[StopAsked, ...] = (STOP,),
    told: Events | None = None,
) -> Missions:
    return missions_of({"agv-1": truth}, reports, stops, told or events(), Stalls(2, 190))


def broken(found: Missions) -> list[str]:
    return [name for name, held in check_vehicles(found).items() if not held]


def test_a_day_in_order_keeps_every_promise() -> None:
    found = missions()
    figures = found.figures
    assert len(check_vehicles(found)) == 4
    assert broken(found) == []
    assert (figures.agv_orders_done, figures.physical_picks, figures.physical_drops) == (1, 1, 1)
    assert figures.physical_picks_equal_actions is True
    assert figures.stop_ms_max == pytest.approx(4.0)
    assert figures.agv_stop_command_ms is None
    assert (figures.agv_releases, figures.agv_lease_stops) == (2, 0)
    assert (figures.agv_stalls, figures.agv_stall_ms_max) == (2, 190)


def test_the_command_is_measured_from_its_processes_start_and_by_itself() -> None:
    figures = missions(stops=(replace(STOP, by_command=True, asked_s=4.5),)).figures
    assert figures.agv_stop_command_ms == pytest.approx(504.0)
    assert figures.stop_ms_max is None


def test_a_stop_at_a_kiosk_is_measured_from_the_touch_and_counted_among_the_others() -> None:
    figures = missions(stops=(replace(STOP, at_kiosk=True, asked_s=4.9),)).figures
    assert (figures.agv_stops, figures.agv_kiosk_stops) == (1, 1)
    assert figures.agv_kiosk_stop_ms == figures.stop_ms_max == pytest.approx(104.0)
    assert missions().figures.agv_kiosk_stop_ms is None


@pytest.mark.parametrize(
    "actions",
    [
        (finished("a-pick", "pick"),),
        (finished("a-pick", "pick"), finished("a-drop", "drop"), finished("b-pick", "pick")),
        (finished("a-pick", "pick"), finished("a-drop", "drop"), finished("a-drop", "drop")),
        (finished("a-pick", "pick"), finished("a-drop", "drop", "failed")),
    ],
    ids=["not told", "not done", "told twice", "told to have failed"],
)
def test_picks_and_drops_that_differ_from_what_is_told_are_found(actions: tuple[Json, ...]) -> None:
    found = missions(told=events(*actions))
    assert found.figures.physical_picks_equal_actions is False
    assert broken(found) == ["the vehicles picked and dropped once what the shop calls done"]


@pytest.mark.parametrize(
    ("progress", "reason", "explained"),
    [
        (Progress.CANCELLED, "the shop closed before it was done", True),
        (Progress.FAILED, "", False),
        (Progress.ACCEPTED, "still at it", False),
    ],
)
def test_an_errand_that_was_not_done_needs_an_end_and_a_reason(
    progress: Progress, reason: str, *, explained: bool
) -> None:
    found = missions(reports=(report(), report("restock-2", progress, reason)))
    assert found.figures.agv_orders_not_done == (f"restock-2: {reason}",)
    assert broken(found) == ([] if explained else ["every errand was done, or it is told why not"])


def test_a_kiosks_wish_counts_when_it_was_brought_and_may_not_be_forgotten() -> None:
    found = missions(reports=(report("bring-r1"),), told=events(brings=("r1", "r2")))
    assert (found.figures.agv_brings_asked, found.figures.agv_brings_done) == (2, 1)
    assert found.unexplained == ("bring-r2",)


@pytest.mark.parametrize("what", ["move_begin", "pick", "drop"])
def test_a_vehicle_that_does_something_while_it_is_stopped_is_found(what: str) -> None:
    found = missions([*TRUTH[:6], seen(6.0, what), *TRUTH[6:]])
    assert "no vehicle moved while it was stopped" in broken(found)


def test_a_stop_without_a_release_and_a_release_by_nobody_are_found() -> None:
    name = "a stopped vehicle stood until a person released it"
    assert broken(missions([*TRUTH[:6]], told=events(finished("a-pick", "pick")))) == [name]
    assert broken(missions(told=events(released_by="vehicle"))) == [name]
    assert name not in check_vehicles(missions(stops=()))


def test_a_lease_that_ended_is_counted() -> None:
    ended = [seen(9.0, "standstill", LatchCause.LEASE), seen(9.0, "latched", LatchCause.LEASE), seen(9.9, "released")]
    figures = missions([*TRUTH, *ended]).figures
    assert (figures.agv_lease_stops, figures.agv_releases) == (1, 3)


def test_without_vehicles_nothing_is_promised() -> None:
    assert check_vehicles(Missions(MissionFigures(0), "no C compiler")) == {}


def test_one_drives_straight_on_along_aisles_and_crossings() -> None:
    source = open_source(SourceOptions(dataset_folder=None, baskets=20))
    floor = ShopFloor(Assortment(source, seed=1), tills=12)
    for _, place in floor.near_stock_room(100):
        assert len(shortest_route(floor.map, floor.stock_room, place)) <= 4
        assert len(shortest_route(floor.map, place, floor.map.place("till-11"))) <= 4
    assert floor.place_of("no such thing") is None
    assert {floor.place_of(product.sku) for product in source.products()} <= set(floor.map.places.values())


def test_two_vehicles_of_one_shop_share_no_name_and_end_in_good_order(tmp_path: Path) -> None:
    source = open_source(SourceOptions(dataset_folder=None, baskets=20))
    vehicles = Vehicles(tmp_path, ShopFloor(Assortment(source, seed=1), tills=12).starts)
    vehicles.start()
    try:
        assert [one.vehicle_id for one in vehicles.running] == ["agv-1", "agv-2"]
        assert vehicles.settings.count("[[vehicles]]") == 2
        assert {one.identity.version for one in vehicles.running} == {"2.0.0", "2.1.0"}
    finally:
        vehicles.stop()
    assert vehicles.exit_codes == [0, 0]
