"""Fleet control's core: who gets an errand, what is sent and sent again, and what is told of it in the end."""

from datetime import UTC, datetime
from itertools import count, pairwise
from typing import Final

import pytest

from sim.fleet_control.control import ERRANDS_MAX, ErrandKnown, ErrandsFull, FleetControl, MessageUnreadable, Outgoing
from sim.fleet_control.mission import OrderRules, Progress
from sim.fleet_control.plan import Errand
from sim.fleet_control.store_map import PlaceUnknown
from tests.sim.fleet_control.pretend_vehicle import Json, PretendVehicle
from tests.sim.fleet_control.small_store import STORE

WALL: Final = datetime(2026, 4, 15, 11, 40, tzinfo=UTC)
ERRAND: Final = Errand("e1", "sku-1", "shelf-2-3", "till-2")
RULES: Final = OrderRules(base_nodes=3, extend_at_nodes=1, resend_after_s=2.0, sendings_max=3)


class World:
    """One fleet control, its vehicles, and the time."""

    def __init__(self, *vehicles: PretendVehicle, rules: OrderRules = RULES) -> None:
        numbers = count(1)
        self.vehicles = vehicles
        self.control = FleetControl(
            STORE, [each.identity for each in vehicles], lambda: f"order-{next(numbers)}", rules
        )
        self.now_s = 100.0
        for vehicle in vehicles:
            vehicle.connect(self.control)
            vehicle.tell(self.control)

    def due(self, after_s: float = 0.0) -> list[Outgoing]:
        self.now_s += after_s
        return self.control.due(self.now_s, WALL)

    @property
    def progress(self) -> Progress:
        return self.control.report("e1").progress

    @property
    def reason(self) -> str:
        return self.control.report("e1").reason


@pytest.fixture
def vehicle() -> PretendVehicle:
    return PretendVehicle()


@pytest.fixture
def world(vehicle: PretendVehicle) -> World:
    return World(vehicle)


def ordered(world: World, vehicle: PretendVehicle) -> Json:
    """The vehicle has taken the errand's first message, and has said so."""
    world.control.request(ERRAND)
    (outgoing,) = world.due()
    body = vehicle.take(outgoing)
    vehicle.tell(world.control)
    return body


def test_an_errand_is_released_piece_by_piece_and_finished(world: World, vehicle: PretendVehicle) -> None:
    world.control.request(ERRAND)
    assert world.control.report("e1").progress is Progress.WAITING
    updates: list[Json] = []
    while not world.progress.final:
        for outgoing in world.due(after_s=0.1):
            assert world.progress in (Progress.ORDERED, Progress.ACCEPTED)
            updates.append(vehicle.take(outgoing))
        vehicle.drive_on()
        vehicle.tell(world.control)
    assert world.progress is Progress.FINISHED
    assert [body["orderUpdateId"] for body in updates] == list(range(len(updates)))
    assert len(updates) > 2
    assert [body["headerId"] for body in updates] == list(range(len(updates)))
    for before, update in pairwise(updates):
        decision_point = [node for node in before["nodes"] if node["released"]][-1]
        assert update["nodes"][0] == decision_point
    assert vehicle.state["lastNodeId"] == "till-2"
    assert world.due(after_s=10.0) == []


def test_an_update_comes_before_the_vehicle_has_to_wait(world: World, vehicle: PretendVehicle) -> None:
    ordered(world, vehicle)
    assert world.due() == []
    vehicle.drive()
    vehicle.drive()
    vehicle.tell(world.control)
    (outgoing,) = world.due()
    assert [each["released"] for each in vehicle.state["nodeStates"]].count(True) == RULES.extend_at_nodes
    assert vehicle.take(outgoing)["orderUpdateId"] == 1


def test_a_vehicle_that_asks_for_a_new_base_gets_one(world: World, vehicle: PretendVehicle) -> None:
    ordered(world, vehicle)
    vehicle.tell(world.control, newBaseRequest=True)
    assert [vehicle.take(each)["orderUpdateId"] for each in world.due()] == [1]


def test_an_order_that_nobody_answers_is_sent_again_with_the_same_content(
    world: World, vehicle: PretendVehicle
) -> None:
    world.control.request(ERRAND)
    (first,) = world.due()
    vehicle.tell(world.control)
    assert world.due(after_s=RULES.resend_after_s - 0.1) == []
    (second,) = world.due(after_s=0.1)
    one, two = PretendVehicle().take(first), PretendVehicle().take(second)
    assert (one["headerId"], two["headerId"]) == (0, 1)
    assert {**one, "headerId": 1} == two
    vehicle.take(second)
    vehicle.tell(world.control)
    assert world.progress is Progress.ACCEPTED
    assert world.due(after_s=10.0) == []


def test_a_vehicle_that_never_answers_fails_the_errand_and_is_free_again(world: World, vehicle: PretendVehicle) -> None:
    world.control.request(ERRAND)
    sent = [outgoing for _ in range(6) for outgoing in world.due(after_s=RULES.resend_after_s)]
    assert len(sent) == RULES.sendings_max
    assert world.progress is Progress.FAILED
    assert world.reason == "the vehicle did not answer 3 times the same order message"
    world.control.request(Errand("e2", "sku-2", "shelf-1-1", "till-1"))
    assert len(world.due()) == 1


def test_nothing_is_sent_while_a_vehicle_is_away_and_the_order_lives_on(world: World, vehicle: PretendVehicle) -> None:
    ordered(world, vehicle)
    vehicle.drive_on()
    vehicle.tell(world.control)
    vehicle.connect(world.control, "CONNECTIONBROKEN")
    assert world.due(after_s=60.0) == []
    vehicle.connect(world.control, "ONLINE")
    assert [vehicle.take(each)["orderUpdateId"] for each in world.due()] == [1]
    assert world.progress is Progress.ACCEPTED


def test_a_refused_order_fails_with_the_vehicles_words(world: World, vehicle: PretendVehicle) -> None:
    world.control.request(ERRAND)
    (outgoing,) = world.due()
    vehicle.refuse(PretendVehicle().take(outgoing), "no such map")
    vehicle.tell(world.control)
    assert (world.progress, world.reason) == (Progress.FAILED, "the order was refused: orderError: no such map")


def test_a_refused_update_cancels_the_order(world: World, vehicle: PretendVehicle) -> None:
    ordered(world, vehicle)
    vehicle.drive_on()
    vehicle.tell(world.control)
    (update,) = world.due()
    vehicle.refuse(PretendVehicle().take(update), "too big")
    vehicle.tell(world.control)
    (cancel,) = world.due()
    assert vehicle.take(cancel)["actions"][0]["actionType"] == "cancelOrder"
    vehicle.tell(world.control)
    assert (world.progress, world.reason) == (Progress.FAILED, "update 1 was refused: orderError: too big")


def test_a_failed_pick_cancels_the_rest_of_the_order(world: World, vehicle: PretendVehicle) -> None:
    body = ordered(world, vehicle)
    pick, *_ = [action["actionId"] for node in body["nodes"] for action in node["actions"]]
    vehicle.drive()
    vehicle.set_action(pick, "FAILED", "shelf empty")
    vehicle.tell(world.control)
    assert world.progress is Progress.ACCEPTED
    (cancel,) = world.due()
    vehicle.take(cancel)
    vehicle.tell(world.control)
    assert (world.progress, world.reason) == (Progress.FAILED, f"action {pick} failed: shelf empty")


def test_a_failed_drop_at_the_end_needs_no_cancel(vehicle: PretendVehicle) -> None:
    world = World(vehicle, rules=OrderRules(base_nodes=50))
    ordered(world, vehicle)
    vehicle.drive_on()
    vehicle.set_action("order-1-drop", "FAILED")
    vehicle.tell(world.control)
    assert (world.progress, world.due()) == (Progress.FAILED, [])
    assert world.reason == "action order-1-drop failed: the vehicle does not say why"


def test_a_cancelled_errand_is_over_when_the_vehicle_has_cancelled_its_order(
    world: World, vehicle: PretendVehicle
) -> None:
    ordered(world, vehicle)
    world.control.cancel("e1", "the customer has left")
    (cancel,) = world.due()
    assert world.progress is Progress.ACCEPTED
    (again,) = world.due(after_s=RULES.resend_after_s)
    assert PretendVehicle().take(cancel)["actions"] == vehicle.take(again)["actions"]
    vehicle.tell(world.control)
    assert (world.progress, world.reason) == (Progress.CANCELLED, "the customer has left")
    world.control.cancel("e1")
    assert world.reason == "the customer has left"


def test_a_cancelled_errand_is_not_over_before_the_vehicle_has_come_to_rest(
    world: World, vehicle: PretendVehicle
) -> None:
    ordered(world, vehicle)
    world.control.cancel("e1", "first")
    world.control.cancel("e1", "second")
    (cancel,) = world.due()
    action_id = PretendVehicle().take(cancel)["actions"][0]["actionId"]
    vehicle.set_action(action_id, "RUNNING")
    vehicle.tell(world.control)
    assert (world.control.report("e1").progress, world.due(after_s=10.0)) == (Progress.ACCEPTED, [])
    vehicle.take(cancel)
    vehicle.tell(world.control)
    assert (world.progress, world.reason) == (Progress.CANCELLED, "first")


def test_a_cancel_that_comes_too_late_leaves_the_errand_finished(vehicle: PretendVehicle) -> None:
    world = World(vehicle, rules=OrderRules(base_nodes=50))
    ordered(world, vehicle)
    vehicle.drive_on()
    world.control.cancel("e1")
    (cancel,) = world.due()
    vehicle.take(cancel)
    vehicle.tell(world.control)
    assert world.progress is Progress.FINISHED


def test_an_errand_that_waits_is_cancelled_at_once() -> None:
    world = World()
    world.control.request(ERRAND)
    world.control.cancel("e1")
    assert world.progress is Progress.CANCELLED


def test_an_order_that_was_cancelled_before_it_arrived_is_over_too(world: World, vehicle: PretendVehicle) -> None:
    world.control.request(ERRAND)
    world.due()
    world.control.cancel("e1")
    (cancel,) = world.due()
    vehicle.take(cancel)
    vehicle.tell(world.control)
    assert world.progress is Progress.CANCELLED


def test_a_vehicle_that_follows_somebody_else_fails_the_errand(world: World, vehicle: PretendVehicle) -> None:
    ordered(world, vehicle)
    vehicle.tell(world.control, orderId="somebody's")
    assert (world.progress, world.reason) == (Progress.FAILED, 'the vehicle reports another order, "somebody\'s"')


def test_the_free_vehicle_with_the_shortest_way_goes() -> None:
    far, near, busy = (
        PretendVehicle("far", -2.0, 0.0),
        PretendVehicle("near", 3.0, 0.0),
        PretendVehicle("busy", 3.0, 4.5),
    )
    busy.state["nodeStates"] = [{"nodeId": "x", "sequenceId": 2, "released": True}]
    world = World(far, near, busy)
    world.control.request(ERRAND)
    (outgoing,) = world.due()
    assert outgoing.topic == "uagv/v2/acme/near/order"
    assert world.control.report("e1").vehicle == near.identity


def test_each_vehicle_has_one_errand_at_a_time_and_the_oldest_waits_first(
    world: World, vehicle: PretendVehicle
) -> None:
    for number in (1, 2, 3):
        world.control.request(Errand(f"e{number}", "sku", "shelf-1-1", "till-1"))
    finished: list[str] = []
    for _ in range(50):
        for outgoing in world.due(after_s=0.1):
            vehicle.take(outgoing)
        vehicle.drive_on()
        vehicle.tell(world.control)
        running = [each for each in world.control.reports if each.progress in (Progress.ORDERED, Progress.ACCEPTED)]
        assert len(running) <= 1
        ended = [each.errand.errand_id for each in world.control.reports if each.progress is Progress.FINISHED]
        finished += [each for each in ended if each not in finished]
    assert finished == ["e1", "e2", "e3"]


NOT_FREE: Final[dict[str, Json]] = {
    "paused": {"paused": True},
    "stopped": {"safetyState": {"eStop": "REMOTE", "fieldViolation": False}},
    "manual": {"operatingMode": "MANUAL"},
    "charging": {"batteryState": {"batteryCharge": 10.0, "charging": True}},
    "broken": {"errors": [{"errorType": "x", "errorLevel": "FATAL", "errorReferences": []}]},
    "acting": {"actionStates": [{"actionId": "a", "actionType": "pick", "actionStatus": "RUNNING"}]},
    "lost": {"agvPosition": {"x": 0, "y": 0, "theta": 0, "mapId": "elsewhere", "positionInitialized": True}},
    "nowhere": {"agvPosition": None},
    "without position": {"agvPosition": {"x": 0, "y": 0, "theta": 0, "mapId": "shop", "positionInitialized": False}},
}


@pytest.mark.parametrize("why", NOT_FREE)
def test_a_vehicle_that_cannot_go_gets_no_errand(world: World, vehicle: PretendVehicle, why: str) -> None:
    assert list(world.control.free) == [vehicle.identity]
    vehicle.tell(world.control, **NOT_FREE[why])
    world.control.request(ERRAND)
    assert list(world.control.free) == []
    assert (world.due(), world.progress) == ([], Progress.WAITING)


def test_a_vehicle_without_position_begins_at_its_last_node(world: World, vehicle: PretendVehicle) -> None:
    del vehicle.state["agvPosition"]
    vehicle.tell(world.control, lastNodeId="till-1")
    world.control.request(ERRAND)
    (outgoing,) = world.due()
    assert b'"nodeId": "till-1"' in outgoing.payload


def test_a_vehicle_between_places_is_allowed_for(world: World, vehicle: PretendVehicle) -> None:
    vehicle.state["agvPosition"] |= {"x": 1.0, "y": 0.0}
    vehicle.tell(world.control)
    world.control.request(ERRAND)
    first = PretendVehicle().take(world.due()[0])["nodes"][0]
    assert (first["nodeId"], first["nodePosition"]["allowedDeviationXy"]) == ("front-1", 1.2)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("state", b"{"),
        ("state", b'{"orderId": 7}'),
        ("connection", b"[]"),
        ("connection", b"\xff"),
        ("connection", b'{"connectionState": 1}'),
    ],
)
def test_an_unreadable_message_is_refused_by_its_topic_and_changes_nothing(
    world: World, topic: str, payload: bytes
) -> None:
    with pytest.raises(MessageUnreadable, match=f"uagv/v2/acme/agv-1/{topic}: "):
        world.control.received(f"uagv/v2/acme/agv-1/{topic}", payload)
    world.control.request(ERRAND)
    assert len(world.due()) == 1


def test_messages_of_strangers_are_left_alone(world: World) -> None:
    world.control.received("uagv/v2/acme/agv-2/state", b"{")
    assert world.control.topics == ("uagv/v2/acme/agv-1/connection", "uagv/v2/acme/agv-1/state")


def test_a_vehicle_is_not_sent_for_before_it_was_heard_of_again(world: World, vehicle: PretendVehicle) -> None:
    world.control.lose_sight()
    world.control.request(ERRAND)
    assert world.due() == []
    vehicle.connect(world.control)
    assert len(world.due()) == 1


def test_errands_beyond_the_limit_are_refused(world: World) -> None:
    for number in range(ERRANDS_MAX):
        world.control.request(Errand(f"errand-{number}", "sku", "shelf-1-1", "till-1"))
    with pytest.raises(ErrandsFull, match="10,000 errands are kept"):
        world.control.request(ERRAND)


def test_an_errand_is_requested_once_and_to_places_that_exist(world: World) -> None:
    world.control.request(ERRAND)
    with pytest.raises(ErrandKnown, match="'e1' was requested before"):
        world.control.request(ERRAND)
    with pytest.raises(PlaceUnknown, match="till-9"):
        world.control.request(Errand("e2", "sku", "shelf-1-1", "till-9"))
    assert [each.errand for each in world.control.reports] == [ERRAND]
