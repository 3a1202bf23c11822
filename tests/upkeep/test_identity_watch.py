"""Who this box is: a certificate's end and a copied data folder are told to people, metrics and cloud; sales go on."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.data_folder import DataFolder
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.log import EventLog
from agent.settings import LinkSettings
from agent.upkeep.identity_watch import IdentityWatch
from agent.upkeep.machine_mark import MachineMark
from tests.agent_process import running_agent, scan, settings_toml
from tests.link.certificates import Authority, Server
from tests.link.device import NAME
from tests.link.sample_broker import link_settings, sample_broker
from tests.log.world import SetClock, inline_log, new_ids, read_all


def watch(log: EventLog, folder: Path, clock: SetClock, device: Server | None = None) -> IdentityWatch:
    files = {"tls": True, "certificate_file": str(device.certificate), "key_file": str(device.key)} if device else {}
    decoder = EventDecoder(Origin(NAME), wall=clock.wall, new_id=new_ids(7))
    mark = MachineMark(folder, {"machine-id": folder / "machine-id"})
    return IdentityWatch(LinkSettings.model_validate(files), mark, log, decoder, clock)


def alerts(log: EventLog) -> list[dict[str, Any]]:  # Any: JSON
    bodies = [json.loads(stored.body) for stored in read_all(log, Stream.AUDIT)]
    return [body["data"] for body in bodies if body["type"].endswith("alert.v1")]


@pytest.mark.case("I2")
async def test_each_step_towards_a_certificates_end_is_alerted_once_also_over_restarts(tmp_path: Path) -> None:
    clock = SetClock(datetime.now(UTC))
    device = Authority(tmp_path).device(days=90)
    with inline_log(tmp_path / "log") as log:
        for days_left in (40, 29, 28, 6, 5, 0.5, -1, -2):
            clock.now = datetime.now(UTC) + timedelta(days=90 - days_left)
            one = watch(log, tmp_path, clock, device)
            await one.tell()
            await one.tell()
            assert bool(list(one.problems())) == (days_left < 30)
        told = [(alert["kind"], alert["severity"]) for alert in alerts(log)]
    severities = ["info", "warning", "critical", "critical"]
    assert told == [("certificate_ends", severity) for severity in severities]


@pytest.mark.case("I2")
async def test_a_renewed_certificate_ends_the_warning_without_a_restart(tmp_path: Path) -> None:
    authority, clock = Authority(tmp_path), SetClock(datetime.now(UTC))
    device, renewed = authority.device(days=3), authority.device(days=90)
    with inline_log(tmp_path / "log") as log:
        one = watch(log, tmp_path, clock, device)
        assert [problem for problem in one.problems() if "expires in 2 days" in problem]
        renewed.key.replace(device.key)
        renewed.certificate.replace(device.certificate)
        assert list(one.problems()) == []
        ends = one.certificate_ends()
    assert ends is not None
    assert ends - clock.now > timedelta(days=80)


@pytest.mark.case("I6")
async def test_a_copied_folder_is_alerted_once_a_boot(tmp_path: Path) -> None:
    (tmp_path / "machine-id").write_text("one")
    with inline_log(tmp_path / "log") as log:
        assert list(watch(log, tmp_path, SetClock()).problems()) == []
        (tmp_path / "machine-id").write_text("another")
        for _ in range(2):
            copied = watch(log, tmp_path, SetClock())
            await copied.tell()
            assert ["was made on another machine" in problem for problem in copied.problems()] == [True]
        assert [(alert["kind"], alert["severity"]) for alert in alerts(log)] == [("machine_changed", "critical")]


@pytest.mark.case("I6")
async def test_an_agent_on_a_copied_folder_warns_and_sells_on(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create_identity()
    (tmp_path / "machine-id").write_text("the machine that the folder was copied from")
    MachineMark(folder.identity, {"machine-id": tmp_path / "machine-id"}).make()
    async with running_agent(tmp_path) as agent:
        assert (await agent.post([scan("a")]))[0] == 201
        status = await agent.status()
    assert ["was made on another machine" in problem for problem in status["problems"]] == [True]


@pytest.mark.case("I2")
async def test_an_agent_tells_of_its_certificates_end_in_status_and_metrics(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    device = authority.device(days=5)
    async with sample_broker(tmp_path / "broker", authority) as broker:
        link = link_settings(authority, device) | {"host": broker.host, "port": broker.port}
        async with running_agent(tmp_path / "box", settings_toml(link=link)) as agent:
            async with agent.session() as session, session.get("http://agent/metrics") as response:
                metrics = await response.text()
            problems: list[str] = (await agent.status())["problems"]
    told = [problem for problem in problems if problem.startswith("certificate: ")]
    assert len(told) == 1
    assert f"{device.certificate} expires in 4 days" in told[0]
    value = float(next(line for line in metrics.splitlines() if line.startswith(METRIC)).split()[1])
    assert abs(value - (datetime.now(UTC) + timedelta(days=5)).timestamp()) < 600


METRIC = "storeforward_certificate_expiry_timestamp_seconds"
