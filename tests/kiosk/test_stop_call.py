"""A stop on its way to the agent: past the taps, on connections of its own, tried again, and given up in time."""

import os
import signal
from pathlib import Path

import pytest

from agent.clock import SystemClock
from firmware_bridge import LatchCause
from kiosk import inputs
from kiosk.state import Agent, State, StopState
from kiosk.stops import TRIED_S
from sim.vehicle import Seen
from sim.vehicle import Vehicle as Firmware
from tests.agent_process import running_agent
from tests.kiosk.bad_agent import bad_agent
from tests.kiosk.running_session import RunningSession, running_session
from tests.kiosk.vehicle_shop import released, toml
from tests.waiting import until

LATE_S = 5.0  # of a busy machine


def now_s() -> float:
    return SystemClock().monotonic_s()


def stop_state(state: State) -> StopState | None:
    return state.stop.state if state.stop is not None else None


def stops(firmware: Firmware) -> list[Seen]:
    """Each time that the vehicle stopped because a person wanted it."""
    return [seen for seen in firmware.seen("latched") if seen.numbers["cause"] == LatchCause.STOP]


async def tap_stop(kiosk: RunningSession) -> float:
    """Taps it once the kiosk knows of a vehicle; when."""
    await kiosk.until(lambda state: state.has_vehicles)
    tapped_s = now_s()
    kiosk.session.take(inputs.StopTapped())
    return tapped_s


async def test_a_stop_goes_out_while_a_tap_before_it_still_waits_for_its_answer(tmp_path: Path) -> None:
    async with bad_agent(tmp_path / "s") as agent, running_session(tmp_path / "s", tmp_path) as kiosk:
        await kiosk.until(lambda state: state.slots[0].card is not None and state.has_vehicles)
        await kiosk.until(lambda state: not state.posts)
        agent.fault = "silence"
        kiosk.tap(0)
        await kiosk.until(lambda state: bool(state.in_flight))
        await tap_stop(kiosk)
        state = await kiosk.until(lambda state: stop_state(state) is StopState.STOPPED)
        assert state.in_flight, "the tap still waits"
        ((_, _, body),) = agent.stops
        assert body["by"] == "kiosk-3"


@pytest.mark.parametrize("fault", ["silence", "500"])
async def test_it_is_tried_again_on_a_new_connection_under_one_id_and_given_up_in_time(
    tmp_path: Path, fault: str
) -> None:
    async with bad_agent(tmp_path / "s") as agent, running_session(tmp_path / "s", tmp_path) as kiosk:
        await kiosk.until(lambda state: state.has_vehicles)
        agent.stop_fault = fault
        tapped_s = await tap_stop(kiosk)
        await kiosk.until(lambda state: stop_state(state) is StopState.UNTOLD)
        assert TRIED_S <= now_s() - tapped_s < TRIED_S + LATE_S
        assert len(agent.stops) >= 2
        assert len({transport for _, transport, _ in agent.stops}) == len(agent.stops)
        assert len({body["request_id"] for _, _, body in agent.stops}) == 1
        assert all(came_s - tapped_s < TRIED_S for came_s, _, _ in agent.stops)
        sent = len(agent.stops)
        agent.stop_fault = "none"
        kiosk.tap(0)
        await kiosk.until(lambda state: not state.posts)
        assert len(agent.stops) == sent, "it is not sent later"


async def test_an_agent_that_is_back_in_time_is_told_and_answers(tmp_path: Path) -> None:
    async with bad_agent(tmp_path / "s") as agent, running_session(tmp_path / "s", tmp_path) as kiosk:
        await kiosk.until(lambda state: state.has_vehicles)
        agent.stop_fault = "500"
        await tap_stop(kiosk)

        async def tried_twice() -> bool:
            return len(agent.stops) >= 2

        await until(tried_twice)
        agent.stop_fault = "none"
        await kiosk.until(lambda state: stop_state(state) is StopState.STOPPED)


async def test_a_refusal_is_said_at_once_with_the_agents_reason(tmp_path: Path) -> None:
    async with bad_agent(tmp_path / "s") as agent, running_session(tmp_path / "s", tmp_path) as kiosk:
        agent.stop_fault = "refusal"
        await tap_stop(kiosk)
        state = await kiosk.until(lambda state: stop_state(state) is StopState.UNTOLD)
        assert (state.stop and state.stop.reason, len(agent.stops)) == ("not yours", 1)


async def test_the_real_agent_stops_the_real_vehicle_and_a_dead_one_is_told_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    with Firmware(tmp_path / "firmware") as firmware:
        async with (
            running_agent(tmp_path / "agent", toml(firmware)) as agent,
            running_session(agent.folder.socket, tmp_path) as kiosk,
        ):
            while not stops(firmware):  # a lease that ended on a busy machine has stopped it first
                await released(agent)
                await tap_stop(kiosk)
                await kiosk.until(lambda state: stop_state(state) is StopState.STOPPED)
            await released(agent)
            await agent.child.kill()
            kiosk.session.take(inputs.StopTapped())
            await kiosk.until(lambda state: stop_state(state) is StopState.UNTOLD)
            await agent.child.start()
            await kiosk.until(lambda state: state.agent is Agent.UP)
            await released(agent)
            assert len(stops(firmware)) == 1, "the second stop was never sent"


async def test_an_agent_that_hangs_is_told_as_one_that_does_not_answer(tmp_path: Path) -> None:
    with Firmware(tmp_path / "firmware") as firmware:
        async with (
            running_agent(tmp_path / "agent", toml(firmware)) as agent,
            running_session(agent.folder.socket, tmp_path) as kiosk,
        ):
            await released(agent)
            await kiosk.until(lambda state: state.has_vehicles)
            assert agent.child.pid is not None
            os.kill(agent.child.pid, signal.SIGSTOP)
            try:
                tapped_s = await tap_stop(kiosk)
                await kiosk.until(lambda state: stop_state(state) is StopState.UNTOLD)
                assert now_s() - tapped_s < TRIED_S + LATE_S
                causes = [seen.numbers["cause"] for seen in firmware.seen("latched")]
                assert causes[-1] == LatchCause.LEASE, "the vehicle has stopped by itself meanwhile"
            finally:
                os.kill(agent.child.pid, signal.SIGCONT)
