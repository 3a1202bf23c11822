"""A real agent whose wall clock jumps by 400 days or starts at 1970: order and identity hold (C1, C2, C3)."""

import subprocess
from pathlib import Path

import pytest

from tests.agent_process import running_agent, scan
from tests.log.world import raw

SETTINGS = """
[link]
enabled = false
[log]
replay_hours = 0
retention_interval_s = 0.2
"""


class WallClock:
    """The wall clock of agents started from now on; their monotonic clock is the machine's."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._file = folder / "clock"
        # The command itself knows where the library lies.
        library = subprocess.run(
            ["faketime", "-m", "2000-01-01 00:00:00", "sh", "-c", 'printf %s "$LD_PRELOAD"'],
            capture_output=True, check=True, text=True,
        ).stdout  # fmt: skip
        patch.setenv("LD_PRELOAD", library)
        patch.setenv("FAKETIME_TIMESTAMP_FILE", str(self._file))
        patch.setenv("FAKETIME_NO_CACHE", "1")
        patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        self.set("+0")

    def set(self, to: str) -> None:
        """`+400d`, or `@1970-01-01 00:01:00` to go on from there."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{to}\n", encoding="ascii")
        fresh.rename(self._file)


@pytest.mark.case("C1")
@pytest.mark.case("C2")
@pytest.mark.case("C3")
@pytest.mark.parametrize(
    "clocks", [("+0", "+400d", "+0"), ("+0", "-400d", "+0"), ("@1970-01-01 00:01:00", "+0", "+1d")]
)
async def test_c1_c2_c3_events_keep_order_and_identity_over_jumps_of_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clocks: tuple[str, ...]
) -> None:
    clock = WallClock(tmp_path, monkeypatch)
    clock.set(clocks[0])
    async with running_agent(tmp_path, SETTINGS) as agent:
        for number, to in enumerate(clocks):
            clock.set(to)
            code, answers = await agent.post([scan(f"e-{number}-{at}") for at in range(3)])
            assert code == 201, answers
            for earlier in range(number + 1):
                code, _ = await agent.post([scan(f"e-{earlier}-{at}") for at in range(3)])
                assert code == 200, "sent again, it is known"
        await agent.status()
    with raw(agent.folder.log / "events.sqlite") as connection:
        rows = connection.execute(
            "SELECT sequence, id, recorded_ms FROM event WHERE stream = 'sales' ORDER BY sequence"
        ).fetchall()
    assert [row[0] for row in rows] == list(range(1, 10))
    assert [row[1] for row in rows] == [f"e-{number}-{at}" for number in range(3) for at in range(3)]
    recorded = [row[2] for row in rows[::3]]
    assert abs(recorded[1] - recorded[0]) > 300 * 86_400_000, "the clock did not jump"
