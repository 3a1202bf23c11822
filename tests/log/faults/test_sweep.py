"""Every call to the disk fails once, or from then on: callers are told, and what was acknowledged stays (S3, S4)."""

import pytest

from tests.log.disk.disk_tap import run_tapped

pytestmark = pytest.mark.timeout(300)  # long on a busy machine
ALL = 10_000


@pytest.mark.case("S3")
@pytest.mark.case("S4")
@pytest.mark.parametrize(
    ("call", "ending", "error", "lives_min", "refusal"),
    [
        ("S", "-wal", "EIO", 30, "StorageFailed"),
        ("S", ".sqlite", "EIO", 6, "StorageFailed"),
        ("W", "-wal", "EIO", 150, "StorageFailed"),
        ("W", ".sqlite", "EIO", 50, "StorageFailed"),
        ("W", "-wal", "ENOSPC", 150, "StorageFull"),
        ("W", "-wal", "ENOSPC-on", 150, "StorageFull"),
        ("W", ".sqlite", "ENOSPC-on", 50, "StorageFull"),
        ("W", "-shm", "ENOSPC", 8, "StorageFull"),
    ],
)
def test_s3_s4_a_call_that_fails_costs_no_acknowledged_event_and_is_told(
    call: str, ending: str, error: str, lives_min: int, refusal: str
) -> None:
    report = run_tapped("tests.log.faults.sweep", call, ending, error, ALL)
    print(f"{call} {ending} {error}: {report}")  # noqa: T201 - `pytest -s` shows how much was tried
    assert report["problems"] == []
    assert report["lives"] > lives_min
    assert report["refusals"].keys() == {refusal}


@pytest.mark.case("S4")
def test_s4_the_lock_needs_no_room_on_a_full_disk() -> None:
    report = run_tapped("tests.log.faults.sweep", "W", "lock", "ENOSPC-on", ALL)
    assert report["lives"] > 0
    assert report["refusals"] == {}
