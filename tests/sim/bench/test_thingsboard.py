"""Our side of the comparison with ThingsBoard's gateway: what the log said "ok" for is in its file."""

from pathlib import Path

import pytest

from agent.clock import SystemClock
from sim.bench import thingsboard
from sim.bench.log_work import EventMaker, timed_ids
from sim.bench.thingsboard import FILE_BYTES_MAX, OURS, Side


@pytest.fixture
def bodies(tmp_path: Path) -> Path:
    file = tmp_path / "bodies"
    file.write_bytes(b"\n".join(EventMaker(SystemClock(), timed_ids(SystemClock())).lines(12_000)))
    return file


@pytest.fixture
def ours() -> Side:
    return Side("storeforward", OURS, "events.sqlite", ("event_sales", "event_stock"), FILE_BYTES_MAX)


def test_all_that_was_answered_before_a_kill_is_found(
    tmp_path: Path, bodies: Path, ours: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thingsboard, "KILLED_AFTER", 1_000)
    answered = ours.killed(tmp_path, bodies)
    assert answered >= 1_000
    assert ours.found(tmp_path) >= answered


def test_a_full_file_answers_for_what_it_holds_and_refuses_the_rest(tmp_path: Path, bodies: Path, ours: Side) -> None:
    answered = ours.say("full", tmp_path, bodies)["answered"]
    assert 0 < answered < 12_000
    assert ours.found(tmp_path) == answered
