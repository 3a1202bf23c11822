"""The power goes at any moment: the real log keeps its promises on every state the disk may be in then (S1)."""

from typing import Any

import pytest

from tests.log.disk.disk_tap import run_tapped

pytestmark = pytest.mark.timeout(300)  # long on a busy machine
CHECK = "tests.log.power_cut.check"


def checked(kind: str, seed: int, steps: int, timeout_s: float = 280) -> dict[str, Any]:  # Any: JSON
    report: dict[str, Any] = run_tapped(CHECK, kind, seed, steps, timeout_s=timeout_s)
    print(f"{kind} {seed}: {report}")  # noqa: T201 - `pytest -s` shows how much was tried
    return report


@pytest.mark.case("S1")
def test_s1_every_subset_of_what_a_short_life_had_not_synced() -> None:
    report = checked("short", seed=1, steps=0)
    assert report["problems"] == []
    assert report["states"] > 700
    assert report["states_in_recovery"] > 300


@pytest.mark.case("S1")
@pytest.mark.parametrize("seed", [1])
def test_s1_torn_lost_and_reordered_sectors_in_a_life_with_checkpoints_epochs_and_retention(seed: int) -> None:
    report = checked("long", seed, steps=14)
    assert report["problems"] == []
    assert report["states"] > 700


@pytest.mark.case("S3")
@pytest.mark.parametrize("seed", [1])
def test_s3_a_sync_that_failed_is_not_counted_on_after_the_power_went(seed: int) -> None:
    report = checked("failing", seed, steps=6)
    assert report["problems"] == []
    assert report["states"] > 500


@pytest.mark.case("S1")
@pytest.mark.case("S3")
@pytest.mark.soak
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("kind", ["long", "failing"])
@pytest.mark.parametrize("seed", range(2, 10))
def test_s1_s3_many_long_lives(kind: str, seed: int) -> None:
    assert checked(kind, seed, steps=60 if kind == "long" else 12, timeout_s=1_100)["problems"] == []
