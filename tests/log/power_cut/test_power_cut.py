"""The power goes at any moment: the real log keeps its promises on every state the disk may be in then (S1)."""

from typing import Any

import pytest

from tests.log.disk.disk_tap import run_tapped
from tests.log.works import WORKS

pytestmark = pytest.mark.timeout(300)  # long on a busy machine
CHECK, CHECK_WORK = "tests.log.power_cut.check", "tests.log.power_cut.check_work"


def checked(what: str, check: str, *arguments: int, timeout_s: float = 280) -> dict[str, Any]:  # Any: JSON
    report: dict[str, Any] = run_tapped(check, what, *arguments, timeout_s=timeout_s)
    print(f"{what} {arguments}: {report}")  # noqa: T201 - `pytest -s` shows how much was tried
    return report


@pytest.mark.case("S1")
def test_s1_every_subset_of_what_a_short_life_had_not_synced() -> None:
    report = checked("short", CHECK, 1, 0)
    assert report["problems"] == []
    assert report["states"] > 700
    assert report["states_in_recovery"] > 300


@pytest.mark.case("S1")
@pytest.mark.parametrize("seed", [1])
def test_s1_torn_lost_and_reordered_sectors_in_a_life_with_checkpoints_epochs_and_retention(seed: int) -> None:
    report = checked("long", CHECK, seed, 14)
    assert report["problems"] == []
    assert report["states"] > 700


@pytest.mark.case("S3")
@pytest.mark.parametrize("seed", [1])
def test_s3_a_sync_that_failed_is_not_counted_on_after_the_power_went(seed: int) -> None:
    report = checked("failing", CHECK, seed, 6)
    assert report["problems"] == []
    assert report["states"] > 500


@pytest.mark.case("S1")
@pytest.mark.parametrize(
    ("work", "states_min"),
    [
        pytest.param("first opening", 300),
        pytest.param("opening after a kill", 80),
        pytest.param("backup", 60, marks=pytest.mark.case("S14")),
        pytest.param("restore", 150, marks=pytest.mark.case("S14")),
        pytest.param("putting aside", 300, marks=pytest.mark.case("S8")),
        pytest.param("putting aside what was condemned", 300, marks=pytest.mark.case("S8")),
        pytest.param("migration", 200, marks=pytest.mark.case("U1")),
    ],
)
def test_s1_what_replaces_a_log_leaves_the_old_or_the_new_whole_and_the_next_opening_finishes_it(
    work: str, states_min: int
) -> None:
    report = checked(work, CHECK_WORK, 1)
    assert report["problems"] == []
    assert report["states"] > states_min


@pytest.mark.case("S1")
@pytest.mark.soak
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_s1_many_cuts_of_what_replaces_a_log(work: str, seed: int) -> None:
    assert checked(work, CHECK_WORK, seed, timeout_s=1_100)["problems"] == []


@pytest.mark.case("S1")
@pytest.mark.case("S3")
@pytest.mark.soak
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("kind", ["long", "failing"])
@pytest.mark.parametrize("seed", range(2, 10))
def test_s1_s3_many_long_lives(kind: str, seed: int) -> None:
    assert checked(kind, CHECK, seed, 60 if kind == "long" else 12, timeout_s=1_100)["problems"] == []
