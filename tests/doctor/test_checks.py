"""Each check of the doctor: what it finds well, and what not."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.clock import SystemClock
from agent.doctor import CHECKS, AgentAnswer, Finding, Patient, Severity, examine
from agent.doctor.agent_check import check_agent, check_settings
from agent.doctor.clock_check import check_time_zone, clock_finding
from agent.doctor.fsync_latency import check_fsync, fsync_finding
from agent.doctor.log_check import check_backlog, check_log
from agent.doctor.mount import check_file_system, file_system_finding
from agent.doctor.permissions import check_data_folder, check_secrets
from agent.doctor.sqlite_version import has_wal_reset_bug
from agent.doctor.storage import check_inodes, check_log_size, check_room, inodes_finding, room_finding
from agent.event_types import Stream
from agent.file_system import FileSystem
from agent.log import CLOUD, Place
from agent.settings import Settings
from agent.tills.pseudonyms import Pseudonyms
from tests.doctor.patients import one_finding, patient
from tests.log.damage import flip_body, overwrite_leaf
from tests.log.world import SetClock, events, inline_log

OK, WARNING, PROBLEM = Severity
OFFLINE = Settings.model_validate({"link": {"enabled": False}})


def settings(**sections: Any) -> Settings:  # Any: TOML
    return Settings.model_validate(sections)


# --- settings and agent ------------------------------------------------------------------------------------


def test_each_problem_of_the_settings_is_a_finding(tmp_path: Path) -> None:
    found = list(check_settings(patient(tmp_path, settings_problem="a.toml:3 link.port: out of range\na.toml:4 x: y")))
    assert [(each.severity, each.text[:8]) for each in found] == [(PROBLEM, "a.toml:3"), (PROBLEM, "a.toml:4")]
    assert one_finding(check_settings, patient(tmp_path)) == Finding.ok("settings", "store.toml")


def test_event_types_that_cannot_be_used_are_a_finding_as_the_agent_would_not_start(tmp_path: Path) -> None:
    named = settings(events={"types_folder": str(tmp_path / "types")})
    finding = one_finding(check_settings, patient(tmp_path, settings=named))
    assert finding.severity is Severity.PROBLEM
    assert f"events.types_folder {tmp_path / 'types'}: No such file" in finding.text


def test_an_agent_that_does_not_run_is_a_warning_and_one_that_hangs_a_problem(tmp_path: Path) -> None:
    assert one_finding(check_agent, patient(tmp_path)).severity is WARNING
    hung = AgentAnswer(None, "the agent did not answer within 10 s", runs=True)
    assert one_finding(check_agent, patient(tmp_path, agent=hung)) == Finding.problem(
        "agent", hung.absence, "see its output (journalctl -u storeforward), restart it"
    )


def test_what_the_agent_complains_of_is_told(tmp_path: Path) -> None:
    answer = AgentAnswer({"version": "1", "uptime_s": 60.4, "problems": ["link: refused"]}, runs=True)
    found = list(check_agent(patient(tmp_path, agent=answer)))
    assert [(each.severity, each.text) for each in found] == [
        (OK, "1, running for 0:01:00"),
        (PROBLEM, "link: refused"),
    ]


# --- disk --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("free", "severity"), [(2**40, OK), (2**29, WARNING), (2**25, PROBLEM), (0, PROBLEM)])
def test_little_room_is_told(free: int, severity: Severity) -> None:
    assert room_finding(free, 2**40).severity is severity


@pytest.mark.parametrize(("free", "total", "severity"), [(5_000, 10_000, OK), (99, 10_000, PROBLEM), (0, 0, OK)])
def test_few_inodes_are_told(free: int, total: int, severity: Severity) -> None:
    assert inodes_finding(free, total).severity is severity


def test_this_disk_is_measured(tmp_path: Path) -> None:
    for check in (check_room, check_inodes):
        assert one_finding(check, patient(tmp_path / "not" / "yet" / "there")).text


def test_a_log_near_its_limit_is_told(tmp_path: Path) -> None:
    assert list(check_log_size(patient(tmp_path))) == []
    (tmp_path / "log").mkdir()
    file = tmp_path / "log" / "events.sqlite"
    limited = settings(log={"size_bytes_max": 10_000_000})
    for size, severity in ((1_000_000, OK), (8_500_000, WARNING), (9_600_000, PROBLEM)):
        file.touch()
        os.truncate(file, size)
        found = one_finding(check_log_size, patient(tmp_path, settings=limited))
        assert found.severity is severity
        assert found.text.startswith(f"{size / 1e6:.1f} of 10 MB")


@pytest.mark.parametrize(
    ("times_ms", "severity"), [([3, 4, 5], OK), ([3, 4, 1_200], WARNING), ([60, 70, 80], WARNING), ([600] * 3, PROBLEM)]
)
def test_a_slow_disk_is_told(times_ms: list[int], severity: Severity) -> None:
    found = fsync_finding([each / 1000 for each in times_ms])
    assert found.severity is severity
    assert found.text.startswith(f"median {sorted(times_ms)[1]:.2f} ms, worst {max(times_ms):.2f} ms of 3 writes")


def test_fsync_is_measured_where_the_log_lies_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    found = one_finding(check_fsync, patient(tmp_path, clock=SystemClock()))
    assert "of 20 writes of 4 kB" in found.text
    assert list((tmp_path / "log").iterdir()) == []


@pytest.mark.case("S13")
@pytest.mark.parametrize(
    ("found", "severity"),
    [
        (FileSystem("/", "ext4", read_only=False), OK),
        (FileSystem("/", "overlay", read_only=False), OK),
        (FileSystem("/", "ext4", read_only=True), PROBLEM),
        (FileSystem("/", "nfs", read_only=False), PROBLEM),
        (FileSystem("/", "vfat", read_only=False), PROBLEM),
        (FileSystem("/", "tmpfs", read_only=False), WARNING),
        (FileSystem("/", "fuse.unheard_of", read_only=False), WARNING),
        (None, WARNING),
    ],
)
def test_s13_an_unfit_file_system_is_told(found: FileSystem | None, severity: Severity) -> None:
    assert file_system_finding(found).severity is severity


def test_this_machine_s_file_system_is_found(tmp_path: Path) -> None:
    assert one_finding(check_file_system, patient(tmp_path)).severity in (OK, WARNING)


@pytest.mark.case("S11")
@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        *(((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False), ((3, 45, 0), True), ((3, 50, 6), True)),
        *(((3, 50, 7), False), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), False), ((4, 0, 0), False)),
    ],
)
def test_s11_sqlite_versions_with_the_wal_reset_bug_are_known(version: tuple[int, ...], *, has_it: bool) -> None:
    assert has_wal_reset_bug(version) is has_it


# --- log ---------------------------------------------------------------------------------------------------


def test_a_whole_log_is_well_and_none_too(tmp_path: Path) -> None:
    assert one_finding(check_log, patient(tmp_path)).text.startswith("none yet")
    with inline_log(tmp_path / "log") as log:
        log.append_now([*events(300), *events(3, "s", stream=Stream.STOCK)])
    assert one_finding(check_log, patient(tmp_path)).text == "readable; the newest 203 events match their checksums"


def test_damage_among_the_newest_events_is_told_with_its_place(tmp_path: Path) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(10))
    flip_body(tmp_path / "log" / "events.sqlite", "e-9")
    found = one_finding(check_log, patient(tmp_path))
    assert (found.severity, found.text) == (PROBLEM, "1 of the newest 10 events are damaged, the first is sales 1/9")


def test_a_damaged_page_is_a_finding_and_the_other_checks_go_on(tmp_path: Path) -> None:
    with inline_log(tmp_path / "log") as log:
        log.append_now(events(200))
    overwrite_leaf(tmp_path / "log" / "events.sqlite", b'"e-200"')
    found = list(examine(patient(tmp_path), [check_log, check_backlog]))
    assert found[0].severity is PROBLEM
    assert "is damaged" in found[0].text
    assert "storeforward export" in found[0].remedy
    assert len(found) == 2


def test_the_backlog_is_told_with_its_age(tmp_path: Path) -> None:
    clock = SetClock()
    with inline_log(tmp_path / "log", clock) as log:
        log.append_now(events(3))
        linked = patient(tmp_path, clock=clock)
        assert one_finding(check_backlog, linked) == Finding.ok(
            "backlog", "3 events wait for the cloud, the oldest for 0 seconds"
        )
        clock.move(hours=5)
        assert one_finding(check_backlog, linked).severity is WARNING
        assert one_finding(check_backlog, linked).text.endswith("the oldest for 5 hours")
        unlinked = patient(tmp_path, clock=clock, settings=settings(link={"enabled": False}))
        assert one_finding(check_backlog, unlinked).severity is OK
        asyncio.run(log.advance(CLOUD, Stream.SALES, Place(1, 3)))
        assert one_finding(check_backlog, linked).text == "nothing waits for the cloud"


def test_without_a_log_there_is_no_backlog(tmp_path: Path) -> None:
    assert list(check_backlog(patient(tmp_path))) == []


# --- clock -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "synchronised", "severity"),
    [
        (datetime(2026, 3, 2, tzinfo=UTC), True, OK),
        (datetime(2026, 3, 2, tzinfo=UTC), False, WARNING),
        (datetime(1970, 1, 1, tzinfo=UTC), True, PROBLEM),
        (datetime(2023, 12, 31, tzinfo=UTC), False, PROBLEM),
    ],
)
def test_a_clock_that_nobody_set_is_told(now: datetime, *, synchronised: bool, severity: Severity) -> None:
    assert clock_finding(now, synchronised=synchronised).severity is severity


def test_a_shop_that_never_said_its_time_zone_is_told(tmp_path: Path) -> None:
    assert one_finding(check_time_zone, patient(tmp_path)).severity is WARNING
    berlin = patient(tmp_path, settings=settings(site={"time_zone": "Europe/Berlin"}))
    assert one_finding(check_time_zone, berlin).text.startswith("Europe/Berlin, where it is 13:00")


# --- permissions -------------------------------------------------------------------------------------------


def test_a_data_folder_that_everybody_can_change_is_a_problem(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert one_finding(check_data_folder, patient(folder)).severity is OK
    folder.mkdir()
    assert one_finding(check_data_folder, patient(folder)).severity is OK
    folder.chmod(0o777)
    found = one_finding(check_data_folder, patient(folder))
    assert (found.severity, found.remedy) == (PROBLEM, f"chmod o-w {folder}")


def test_a_file_in_the_place_of_the_data_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert one_finding(check_data_folder, patient(tmp_path / "data")).severity is PROBLEM


def test_keys_that_others_can_read_are_a_problem(tmp_path: Path) -> None:
    assert one_finding(check_secrets, patient(tmp_path)).text == "none yet"
    sick = patient(tmp_path)
    sick.folder.create_identity()
    Pseudonyms.open(sick.folder.identity)
    assert one_finding(check_secrets, sick).severity is OK
    key = sick.folder.identity / "customer.key"
    key.chmod(0o644)
    assert one_finding(check_secrets, sick) == Finding.problem(
        "secrets", f"{key} is open to others (mode 644)", f"chmod 600 {key}"
    )
    sick.folder.identity.chmod(0o755)
    assert one_finding(check_secrets, sick).remedy == f"chmod 700 {sick.folder.identity}"
    sick.folder.identity.chmod(0o700)
    key.chmod(0o600)
    sick.folder.refused.mkdir(mode=0o755)
    assert one_finding(check_secrets, sick).remedy == f"chmod 700 {sick.folder.refused}"


def test_key_files_that_settings_name_count_too(tmp_path: Path) -> None:
    password = tmp_path / "mqtt.password"
    password.touch(0o644)
    password.chmod(0o644)
    sick = patient(tmp_path / "data", settings=settings(link={"password_file": str(password)}))
    assert one_finding(check_secrets, sick).severity is PROBLEM


# --- all together ------------------------------------------------------------------------------------------


def test_before_the_first_start_every_check_says_something_that_is_no_problem(tmp_path: Path) -> None:
    found = list(examine(patient(tmp_path / "data", settings=OFFLINE, clock=SystemClock())))
    assert {each.check for each in found} >= {"settings", "disk", "fsync", "log", "clock", "agent"}
    assert [each for each in found if each.severity is PROBLEM] == []


def test_what_is_not_well_has_a_remedy(tmp_path: Path) -> None:
    assert all(each.remedy or each.severity is OK for each in examine(patient(tmp_path, clock=SystemClock())))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(13, "Permission denied", "/data/log"), "this user may not look at /data/log"),
        (OSError(5, "Input/output error", "/data/log"), "cannot be checked: Input/output error (/data/log)"),
    ],
)
def test_a_check_that_the_system_refuses_is_a_finding(tmp_path: Path, error: OSError, says: str) -> None:
    def check_disk_heads(of: Patient) -> list[Finding]:
        raise error

    found = list(examine(patient(tmp_path), [check_disk_heads, check_settings]))
    assert [(each.check, each.text) for each in found] == [("disk heads", says), ("settings", "store.toml")]
    assert found[0].severity is PROBLEM


def test_no_check_is_there_twice() -> None:
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)
