"""What the doctor says of this device's certificate and of the machine that its data folder was made on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.doctor import Finding, Severity
from agent.doctor.identity_check import check_certificate, check_machine
from agent.doctor.permissions import check_secrets
from agent.settings import Settings
from agent.upkeep.machine_mark import MachineMark
from tests.doctor.patients import one_finding, patient
from tests.link.certificates import Authority, Server
from tests.log.world import SetClock

OK, WARNING, PROBLEM = Severity


def settings(device: Server) -> Settings:
    files = {"certificate_file": str(device.certificate), "key_file": str(device.key)}
    return Settings.model_validate({"link": {"tls": True} | files})


@pytest.mark.case("I2")
@pytest.mark.parametrize(
    ("days", "severity", "says"),
    [
        (90, OK, "store-1/box-1 by test authority, ends "),
        (20.5, WARNING, "expires in 20 days"),
        (6.5, WARNING, "expires in 6 days"),
        (0.5, PROBLEM, "expires in less than a day"),
        (-1, PROBLEM, "expired on"),
    ],
)
def test_the_end_of_the_certificate_is_told(tmp_path: Path, days: float, severity: Severity, says: str) -> None:
    of = settings(Authority(tmp_path).device(days=days))
    found = one_finding(check_certificate, patient(tmp_path, settings=of, clock=SetClock(datetime.now(UTC))))
    assert found.severity is severity
    assert says in found.text
    assert bool(found.remedy) == (severity is not OK)


@pytest.mark.case("C4")
def test_a_certificate_of_the_future_is_a_problem_with_the_clocks_date(tmp_path: Path) -> None:
    early = SetClock(datetime.now(UTC) - timedelta(days=400))
    of = patient(tmp_path, settings=settings(Authority(tmp_path).device()), clock=early)
    found = one_finding(check_certificate, of)
    assert found.severity is PROBLEM
    assert f"device clock is {early.now:%Y-%m-%d}" in found.text


@pytest.mark.case("I4")
def test_another_devices_certificate_is_a_problem(tmp_path: Path) -> None:
    of = patient(tmp_path, settings=settings(Authority(tmp_path).device("store-1/box-2")))
    found = one_finding(check_certificate, of)
    assert found.severity is PROBLEM
    assert "link.certificate_name" in found.text


@pytest.mark.case("I3")
def test_a_key_open_to_others_is_a_problem_with_its_remedy(tmp_path: Path) -> None:
    device = Authority(tmp_path).device()
    device.key.chmod(0o640)
    of = patient(tmp_path / "data", settings=settings(device))
    assert f"chmod 600 {device.key}" in one_finding(check_certificate, of).text
    assert one_finding(check_secrets, of) == Finding.problem(
        "secrets", f"{device.key} is open to others (mode 640)", f"chmod 600 {device.key}"
    )


def test_without_a_certificate_there_is_a_word_with_tls_only(tmp_path: Path) -> None:
    assert list(check_certificate(patient(tmp_path))) == []
    found = one_finding(check_certificate, patient(tmp_path, settings=Settings.model_validate({"link": {"tls": True}})))
    assert found.severity is OK


@pytest.mark.case("I6")
def test_a_copied_folder_is_a_warning_with_what_to_do(tmp_path: Path) -> None:
    of = patient(tmp_path)
    assert list(check_machine(of)) == []
    of.folder.create_identity()
    assert one_finding(check_machine, of).severity is OK
    (tmp_path / "machine-id").write_text("another machine")
    MachineMark(of.folder.identity, {"machine-id": tmp_path / "machine-id"}).make()
    found = one_finding(check_machine, of)
    assert (found.severity, found.text) == (WARNING, "this data folder was made on another machine")
    assert f"rm {of.folder.identity / 'machine.json'}" in found.remedy
    (of.folder.identity / "machine.json").chmod(0o644)
    assert "chmod 600" in one_finding(check_machine, of).text
