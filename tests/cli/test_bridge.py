"""`storeforward bridge`: serves the vehicles of the settings beside the agent's socket, or says why it cannot."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import main
from agent.data_folder import DataFolder
from firmware_bridge import LinkUp
from firmware_bridge.socket_bridge import SocketBridge
from sim.vehicle import Vehicle
from tests.firmware_bridge.bridge_shells import Core

VEHICLE = (
    '[[vehicles]]\nid = "agv-7"\nmanufacturer = "acme"\nserial_number = "0042"\nport = "{port}"\nbridge = "process"\n'
)


def settings(tmp_path: Path) -> Path:
    file = tmp_path / "store.toml"
    file.write_text(VEHICLE.format(port=tmp_path / "vehicle" / "line"), encoding="utf-8")
    return file


@contextmanager
def bridge(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "agent", "bridge", "--config", settings(tmp_path), "--data", tmp_path / "data"]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_vehicles_of_the_settings_are_served_until_a_signal(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    path = DataFolder(tmp_path / "data").socket.with_name("bridge.sock")
    with Vehicle(tmp_path / "vehicle"), bridge(tmp_path) as child:
        assert child.stdout
        assert child.stdout.readline() == f"ready at {path} for agv-7\n"
        with SocketBridge(path, vehicle="agv-7") as client:
            core = Core(client)
            core.until(lambda: core.of(LinkUp))
        assert child.stdout.readline() == f"agv-7: process {os.getpid()} has it\n"
        child.send_signal(number)
        assert child.wait(20) == status
    assert not path.exists()


def test_without_vehicles_it_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["bridge", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert 'a [[vehicles]] section with bridge = "process" names one' in result.stderr


def test_a_second_one_is_told_of_the_first(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create()
    with socket.socket(socket.AF_UNIX) as first:
        first.bind(str(folder.socket.with_name("bridge.sock")))
        first.listen()
        arguments = ["bridge", "--config", str(settings(tmp_path)), "--data", str(folder.path)]
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert f"is served by process {os.getpid()}: stop that bridge first" in result.stderr
