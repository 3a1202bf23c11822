"""Stop vehicles as a pure state: one tap for all, told or not told in words, and never kept for later."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk import inputs
from kiosk.documents import VehiclePart
from kiosk.effects import StopVehicles
from kiosk.kept import kept_of
from kiosk.picture import Painter, Picture
from kiosk.state import Face, StopState
from kiosk.stop_picture import VehicleKind
from kiosk.stops import ANSWER_S, STALE_S, STOPPED_SHOWN_S, TRIED_S
from kiosk.words import Words
from tests.kiosk.scenes import MORNING, Kiosk, status, vehicle

STANDS = vehicle(1, stopped=True, acknowledged=True)
ON_THE_WAY = vehicle(1, stopped=True)
MOVES = vehicle(1)


def painted(kiosk: Kiosk) -> Picture:
    return Painter(Words(), UTC).paint(kiosk.state)


def kinds(kiosk: Kiosk) -> list[VehicleKind]:
    stop = painted(kiosk).stop
    return [one.kind for one in stop.vehicles] if stop is not None else []


def state_of(kiosk: Kiosk) -> StopState | None:
    return kiosk.state.stop.state if kiosk.state.stop is not None else None


def shop() -> Kiosk:
    return Kiosk.new().advised().with_vehicle()


def told(*vehicles: VehiclePart) -> Kiosk:
    """The agent has answered a tap, and says this of its vehicles."""
    kiosk = shop()
    return kiosk.take(inputs.StopTold(kiosk.tap_stop().request_id, vehicles))


def test_it_is_offered_to_staff_where_vehicles_are_on_every_screen_and_not_to_customers() -> None:
    assert not painted(Kiosk.new().advised()).can_stop
    assert painted(shop()).can_stop
    assert painted(shop().take(inputs.LookOpened())).can_stop
    assert painted(shop().take(inputs.AgentWentDown(MORNING))).can_stop
    customer = Kiosk.new(face=Face.CUSTOMER).advised().with_vehicle()
    before = len(customer.effects)
    assert not painted(customer.take(inputs.StopTapped())).can_stop
    assert (customer.state.stop, len(customer.effects)) == (None, before)


def test_a_tap_tells_the_agent_at_once_and_is_no_tap_that_waits_or_is_kept() -> None:
    kiosk = shop().take(inputs.AgentWentDown(MORNING))
    posts = kiosk.state.posts
    kept = kept_of(kiosk.state)
    asked = kiosk.tap_stop()
    assert asked.until_s == kiosk.now_s + TRIED_S
    assert (kiosk.state.posts, kept_of(kiosk.state)) == (posts, kept)
    assert (state_of(kiosk), kinds(kiosk)) == (StopState.TELLING, [VehicleKind.TELLING])


def test_a_second_tap_while_the_agent_is_told_sends_nothing_and_any_later_one_stops_again() -> None:
    kiosk = shop()
    first = kiosk.tap_stop()
    count = len(kiosk.effects)
    kiosk.take(inputs.StopTapped())
    assert len(kiosk.effects) == count
    kiosk.take(inputs.StopTold(first.request_id, (ON_THE_WAY,)))
    second = kiosk.tap_stop()
    assert second.request_id != first.request_id
    kiosk.take(inputs.StopTold(first.request_id, (STANDS,)))
    assert state_of(kiosk) is StopState.TELLING, "an older tap's answer says nothing about this one"


def test_a_vehicle_is_stopping_until_it_has_said_itself_that_it_stands() -> None:
    kiosk = told(ON_THE_WAY)
    assert (state_of(kiosk), kinds(kiosk)) == (StopState.STOPPING, [VehicleKind.STOPPING])
    kiosk.take(inputs.VehiclesSeen((MOVES,)))
    assert kinds(kiosk) == [VehicleKind.STOPPING], "an answer from before the stop"
    kiosk.take(inputs.VehiclesSeen((STANDS,)))
    assert (state_of(kiosk), kinds(kiosk)) == (StopState.STOPPED, [VehicleKind.STOPPED])
    assert painted(kiosk).status == "Online · 1 vehicle stopped"


def test_that_all_have_stopped_is_shown_for_a_while_and_the_strip_goes_on_to_say_it() -> None:
    kiosk = told(STANDS)
    picture = painted(kiosk).stop
    assert picture is not None
    assert (picture.headline, picture.bad) == ("All vehicles have stopped", False)
    assert "until a person" in picture.hint
    kiosk.take(inputs.Ticked(MORNING), after_s=STOPPED_SHOWN_S)
    assert (painted(kiosk).stop, painted(kiosk).status) == (None, "Online · 1 vehicle stopped")
    kiosk.take(inputs.StatusSeen(status(vehicles=1)))
    assert painted(kiosk).status == "Online"


def test_a_vehicle_that_does_not_answer_in_time_is_told_and_stays_told_until_it_does() -> None:
    kiosk = told(ON_THE_WAY, vehicle(2, stopped=True, acknowledged=True))
    kiosk.take(inputs.StopClosed(), inputs.Ticked(MORNING), after_s=ANSWER_S)
    picture = painted(kiosk).stop
    assert picture is not None
    assert (picture.headline, picture.bad) == ("Not every vehicle answers. Use the button on the vehicle.", True)
    assert kinds(kiosk) == [VehicleKind.SILENT, VehicleKind.STOPPED]
    assert painted(kiosk).status == "Online · 1 vehicle stopped"
    kiosk.take(inputs.Ticked(MORNING), after_s=600)
    assert state_of(kiosk) is StopState.SILENT
    kiosk.take(inputs.VehiclesSeen((ON_THE_WAY, vehicle(2))))
    assert kinds(kiosk) == [VehicleKind.SILENT, VehicleKind.RELEASED]
    kiosk.take(inputs.VehiclesSeen((STANDS, vehicle(2, stopped=True, acknowledged=True))))
    assert state_of(kiosk) is StopState.STOPPED


def test_that_all_have_stopped_is_not_said_any_longer_once_a_person_has_released_one() -> None:
    kiosk = told(STANDS, vehicle(2, stopped=True, acknowledged=True))
    kiosk.take(inputs.VehiclesSeen((MOVES, vehicle(2))), after_s=STALE_S / 2)
    assert state_of(kiosk) is StopState.STOPPED, "it may be an answer from before the stop"
    kiosk.take(inputs.VehiclesSeen((STANDS, vehicle(2))), after_s=STALE_S)
    assert (painted(kiosk).stop, painted(kiosk).status) == (None, "Online · 1 vehicle stopped")
    silent = told(ON_THE_WAY, STANDS).take(inputs.Ticked(MORNING), after_s=ANSWER_S)
    assert silent.take(inputs.VehiclesSeen((MOVES, STANDS))).state.stop is None


@pytest.mark.parametrize(
    ("reason", "headline"),
    [
        ("", "Not stopped: the agent does not answer. Use the button on the vehicle."),
        ("not yours", "Not stopped: the agent says: not yours. Use the button on the vehicle."),
    ],
)
def test_a_stop_that_could_not_be_told_says_so_until_somebody_has_seen_it(reason: str, headline: str) -> None:
    kiosk = told(STANDS)
    asked = kiosk.tap_stop()
    kiosk.take(inputs.StopClosed(), inputs.StopUntold(asked.request_id, reason))
    picture = painted(kiosk).stop
    assert picture is not None
    assert (picture.headline, picture.bad) == (headline, True)
    assert "not sent later" in picture.hint
    assert kinds(kiosk) == [VehicleKind.UNTOLD], "what was known of a vehicle before is not repeated"
    kiosk.take(inputs.Ticked(MORNING), inputs.StatusSeen(status(vehicles=1)), after_s=600)
    assert state_of(kiosk) is StopState.UNTOLD
    assert kiosk.take(inputs.StopClosed()).state.stop is None


def test_the_agents_return_sends_no_old_stop() -> None:
    kiosk = shop().take(inputs.AgentWentDown(MORNING))
    asked = kiosk.tap_stop()
    kiosk.take(inputs.StopUntold(asked.request_id), after_s=TRIED_S)
    kiosk.take(inputs.AgentCameUp(), inputs.StatusSeen(status(vehicles=1)), inputs.Ticked(MORNING), after_s=60)
    assert [effect for effect in kiosk.effects if isinstance(effect, StopVehicles)] == [asked]
    assert not [post for post in kiosk.state.posts if "agvs" in post.path]


def test_who_looks_something_up_or_scans_sees_that_and_a_bad_end_comes_over_it() -> None:
    kiosk = shop()
    asked = kiosk.tap_stop()
    kiosk.take(inputs.LookOpened())
    assert (painted(kiosk).stop, painted(kiosk).look is not None) == (None, True)
    kiosk.take(inputs.StopUntold(asked.request_id))
    assert painted(kiosk).stop is not None
    for key in "5901234123457\n":
        kiosk.take(inputs.KeyPressed(key, kiosk.now_s), after_s=0.002)
    assert (painted(kiosk).stop, painted(kiosk).look is not None) == (None, True)


def test_what_a_search_finds_later_does_not_hide_the_stop() -> None:
    kiosk = shop().take(inputs.LookOpened(), *map(inputs.LetterTapped, "but"))
    kiosk.tap_stop()
    kiosk.take(inputs.Found("but", ()))
    assert painted(kiosk).stop is not None


def test_a_shop_that_has_no_vehicles_any_more_has_nothing_to_say_about_them() -> None:
    assert told().state.stop is None


@dataclass
class World:
    """A kiosk, an agent that hears some of the stops, and vehicles that answer some of them."""

    kiosk: Kiosk = field(default_factory=shop)
    asked: dict[str, float] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    taps: int = 0

    def tap(self, _: int) -> None:
        telling = state_of(self.kiosk) is StopState.TELLING
        count = len(self.kiosk.effects)
        self.kiosk.take(inputs.StopTapped())
        new = [effect for effect in self.kiosk.effects[count:] if isinstance(effect, StopVehicles)]
        assert len(new) == (not telling)
        self.asked |= {stop.request_id: stop.until_s for stop in new}

    def tell(self, number: int) -> None:
        request_id = [*self.asked, "unknown"][number % (len(self.asked) + 1)]
        self.heard.add(request_id)
        self.kiosk.take(inputs.StopTold(request_id, self._vehicles(number)))

    def fail(self, number: int) -> None:
        request_id = [*self.asked, "unknown"][number % (len(self.asked) + 1)]
        self.kiosk.take(inputs.StopUntold(request_id, "" if number % 2 else "not yours"))

    def see(self, number: int) -> None:
        self.kiosk.take(inputs.VehiclesSeen(self._vehicles(number)))

    def close(self, number: int) -> None:
        self.kiosk.take(inputs.LookOpened() if number % 2 else inputs.StopClosed())

    def outage(self, number: int) -> None:
        self.kiosk.take(inputs.AgentCameUp() if number % 2 else inputs.AgentWentDown(MORNING))

    def wait(self, number: int) -> None:
        self.kiosk.take(inputs.Ticked(MORNING), after_s=number / 4)

    @staticmethod
    def _vehicles(number: int) -> tuple[VehiclePart, ...]:
        return tuple((MOVES, ON_THE_WAY, STANDS)[number // 3**place % 3] for place in range(1 + number % 3))


WORLD_STEPS: tuple[Callable[[World, int], None], ...] = (
    *(World.tap, World.tell, World.fail, World.see, World.close, World.outage, World.wait),
)


@given(st.lists(st.tuples(st.sampled_from(WORLD_STEPS), st.integers(0, 60)), max_size=60))
def test_whatever_happens_stopped_is_never_said_of_a_vehicle_that_has_not_said_so(
    steps: list[tuple[Callable[[World, int], None], int]],
) -> None:
    world = World()
    for step, number in steps:
        before = world.kiosk.state.stop
        step(world, number)
        state, stop = world.kiosk.state, world.kiosk.state.stop
        assert not any("agvs" in post.path for post in state.posts), "a stop never waits among the taps"
        for one, part in zip(kinds(world.kiosk), state.vehicles, strict=False):
            assert one is not VehicleKind.STOPPED or part.stop_acknowledged
        if stop is None:
            was_good = before is None or before.state is StopState.STOPPED
            none_is_silent = all(one.stop_acknowledged or not one.stopped for one in state.vehicles)
            was_mended = before is not None and before.state is StopState.SILENT and none_is_silent
            assert was_good or was_mended or step is World.close, "a bad end goes only when somebody closes it"
            continue
        if stop.state in (StopState.STOPPING, StopState.STOPPED, StopState.SILENT):
            assert stop.request_id in world.heard, "only the agent's answer says that it was told"
        if before is not None and before.state is not stop.state:
            assert stop.state not in (StopState.UNTOLD, StopState.SILENT) or stop.open, "a bad end is on the screen"
