"""A real agent whose disk stalls or fails for a while: it answers, says so, and takes the events then (S3, S4, S6)."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EIO, ENOSPC
from pathlib import Path

import pytest

from agent.settings import LogSettings
from tests.agent_process import AgentProcess, running_agent, scan
from tests.log.disk.disk_tap import Call, tap_library
from tests.log.world import raw
from tests.waiting import until

STALL_S = 3.0
STATUS_S_MAX = 1.5
"""A busy small machine may be slow, but nobody waits for the disk here."""


class BadDisk:
    """The disk of agents that are started from now on; good until it is told otherwise."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._control = folder / "disk-fault"
        patch.setenv("LD_PRELOAD", str(tap_library()))
        patch.setenv("DISK_TAP_FOLDER", str(folder / "data" / "log"))
        patch.setenv("DISK_TAP_CONTROL", str(self._control))

    @contextmanager
    def bad(self, call: Call, ending: str, *, error: int = 0, delay_s: float = 0.0) -> Iterator[None]:
        fresh = self._control.with_suffix(".new")
        fresh.write_text(f"{call} {ending} {error} {delay_s * 1000:.0f}", encoding="ascii")
        fresh.rename(self._control)
        try:
            yield
        finally:
            self._control.unlink()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BadDisk:
    return BadDisk(tmp_path, monkeypatch)


def stored_ids(agent: AgentProcess) -> list[str]:
    with raw(agent.folder.log / "events.sqlite") as connection:
        return [
            event_id for (event_id,) in connection.execute("SELECT id FROM event WHERE stream = 'sales' ORDER BY 1")
        ]


@pytest.mark.case("S6")
async def test_s6_while_the_disk_stalls_the_agent_answers_and_the_event_comes_through(
    tmp_path: Path, disk: BadDisk
) -> None:
    async with running_agent(tmp_path) as agent:
        with disk.bad(Call.SYNC, "-wal", delay_s=STALL_S):
            began = time.monotonic()
            sending = asyncio.create_task(agent.post([scan("slow")]))
            waits = []
            while not sending.done() and time.monotonic() < began + STALL_S * 0.8:
                asked = time.monotonic()
                await agent.status()
                waits.append(time.monotonic() - asked)
            assert not sending.done(), "the disk did not stall"
            assert len(waits) > 5
            assert max(waits) < STATUS_S_MAX
        code, _ = await sending
        assert code == 201
        assert time.monotonic() - began >= STALL_S
    assert stored_ids(agent) == ["slow"]


@pytest.mark.case("S6")
async def test_s6_behind_a_stalled_disk_producers_are_told_to_slow_down(tmp_path: Path, disk: BadDisk) -> None:
    smallest = LogSettings.model_fields["queue_events_max"].metadata[0].ge
    settings = f"[link]\nenabled = false\n[log]\nqueue_events_max = {smallest}"
    async with running_agent(tmp_path, settings) as agent:
        with disk.bad(Call.SYNC, "-wal", delay_s=STALL_S):
            calls = [[scan(f"e-{call}-{at}") for at in range(40)] for call in range(6)]
            answers = await asyncio.gather(*(agent.post(call) for call in calls))
        codes = [code for code, _ in answers]
        assert set(codes) == {201, 429}
        assert len(stored_ids(agent)) == 40 * codes.count(201)


@pytest.mark.case("S3")
@pytest.mark.case("S4")
@pytest.mark.parametrize(
    ("call", "error", "code"),
    [(Call.SYNC, EIO, 503), (Call.WRITE, EIO, 503), (Call.WRITE, ENOSPC, 507)],
)
async def test_s3_s4_a_disk_that_fails_for_a_while_is_told_and_the_same_event_counts_once_later(
    tmp_path: Path, disk: BadDisk, call: Call, error: int, code: int
) -> None:
    async with running_agent(tmp_path) as agent:
        assert (await agent.post([scan("before")]))[0] == 201
        with disk.bad(call, "-wal", error=error):
            for _ in range(3):
                assert (await agent.post([scan("meanwhile")]))[0] == code
            await agent.status()

        async def taken() -> bool:
            return (await agent.post([scan("meanwhile")]))[0] in {200, 201}

        await until(taken)
        assert (await agent.post([scan("after")]))[0] == 201
        assert agent.child.pid is not None
    assert stored_ids(agent) == ["after", "before", "meanwhile"]
