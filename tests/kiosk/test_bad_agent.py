"""Whatever the agent answers, the kiosk goes on, says how it stands, and sends every tap once the agent is well."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kiosk.state import AddState, Agent, State
from tests.kiosk.bad_agent import BadAgent, bad_agent
from tests.kiosk.running_session import RunningSession, running_session


@dataclass
class Running(RunningSession):
    agent: BadAgent

    async def with_cards(self) -> State:
        state = await self.until(lambda state: state.slots[0].card is not None)
        await self.until(lambda state: state.posts == ())
        return state


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    async with bad_agent(folder / "s") as agent, running_session(folder / "s", folder) as one:
        yield Running(one.session, one.changed, agent)


@pytest.mark.parametrize("fault", ["garbage", "500", "silence"])
async def test_an_agent_that_answers_nothing_useful_is_down_its_cards_stay_and_taps_wait(
    tmp_path: Path, fault: str
) -> None:
    async with running(tmp_path) as kiosk:
        await kiosk.with_cards()
        kiosk.agent.fault = fault
        request_id = kiosk.tap(0)
        state = await kiosk.until(lambda state: state.agent is Agent.DOWN)
        add = state.add_of(request_id)
        assert add is not None
        assert add.state is AddState.KEPT
        assert [slot.card.sku for slot in state.slots if slot.card] == ["101", "102", "103", "104"]
        kiosk.agent.fault = "none"
        await kiosk.until(lambda state: state.agent is Agent.UP and state.posts == ())
        sent = [body["request_id"] for path, body in kiosk.agent.posted if path.endswith("/requests")]
        assert sent == [request_id]


async def test_a_stream_of_nonsense_never_looks_like_an_agent(tmp_path: Path) -> None:
    async with running(tmp_path) as kiosk:
        kiosk.agent.stream_fault = "garbage"
        await kiosk.until(lambda state: state.agent is Agent.DOWN and kiosk.agent.streams >= 2)
        assert kiosk.session.state.basket is None
        kiosk.agent.stream_fault = "none"
        await kiosk.with_cards()


async def test_a_message_without_end_ends_the_stream_and_not_the_kiosk(tmp_path: Path) -> None:
    async with running(tmp_path) as kiosk:
        kiosk.agent.stream_fault = "endless"
        await kiosk.until(lambda state: state.agent is Agent.DOWN)
        kiosk.agent.stream_fault = "none"
        await kiosk.with_cards()


async def test_a_decision_that_is_nonsense_shows_none_and_is_asked_for_again(tmp_path: Path) -> None:
    async with running(tmp_path) as kiosk:
        kiosk.agent.fault = "garbage"
        state = await kiosk.until(lambda state: state.basket is not None)
        assert all(slot.card is None for slot in state.slots)
        kiosk.agent.fault = "none"
        await kiosk.with_cards()
