"""`python -m firmware_bridge`: monitor and ping against a vehicle on a pty, and what they say when it fails."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_bridge.frame_text import frame_text
from firmware_bridge.port import PortStep, port_unusable
from tests.firmware_bridge.pty_vehicle import PtyVehicle, Watched
from tests.sources import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firmware_bridge", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=60)


def test_ping_says_who_is_there_and_how_long_it_takes(tmp_path: Path) -> None:
    with PtyVehicle(tmp_path) as far:
        answer = run("ping", far.port, "--count", "20")
    assert answer.returncode == 0, answer.stderr
    assert "vehicle AGV7, firmware fake 1.0, protocol 1.0" in answer.stdout
    assert "20 sent, 0 lost, round trip of 32 octets: min " in answer.stdout
    assert not far.vehicle.open


def test_monitor_shows_frames_and_events_and_feeds_no_lease(tmp_path: Path) -> None:
    with PtyVehicle(tmp_path) as far:
        answer = run("monitor", far.port, "--seconds", "0.5")
    assert answer.returncode == 0, answer.stderr
    assert "-> link: XID P/F, protocol 1.0" in answer.stdout
    assert "<- stop: HEARTBEAT" in answer.stdout
    assert "-- LinkUp(" in answer.stdout
    assert far.vehicle.leases_ms == []


def test_a_listening_monitor_sends_nothing(tmp_path: Path) -> None:
    with PtyVehicle(tmp_path) as far:
        answer = run("monitor", far.port, "--listen", "--seconds", "0.3")
    assert "<- stop: HEARTBEAT" in answer.stdout
    assert far.vehicle.frames == []


@pytest.mark.parametrize(
    ("vehicle", "message"),
    [
        ({"major": 3}, "the vehicle speaks protocol 3.0, this bridge 1.0"),
        ({"mute": True}, "no answer at 115200 baud"),
    ],
)
def test_ping_says_what_is_wrong_with_the_far_end(tmp_path: Path, vehicle: dict[str, int], message: str) -> None:
    with PtyVehicle(tmp_path, **vehicle) as far:
        answer = run("ping", far.port)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_ping_says_that_octets_came_which_are_no_frames(tmp_path: Path) -> None:
    with PtyVehicle(tmp_path, mute=True) as far:
        process = subprocess.Popen(
            [sys.executable, "-m", "firmware_bridge", "ping", far.port], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        while process.poll() is None:
            if far.vehicle.frames:
                far.write(b"\x00\xff\x80")
                far.vehicle.frames.clear()
        _, said = process.communicate(timeout=30)
    assert "none of them a frame: is the vehicle set to 115200 baud?" in said


@pytest.mark.parametrize("tool", ["ping", "monitor"])
def test_a_missing_port_is_said_in_one_sentence(tool: str, tmp_path: Path) -> None:
    answer = run(tool, str(tmp_path / "nothing"))
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"{tmp_path / 'nothing'}: no such port: is the vehicle plugged in?")
    assert answer.stderr.count("\n") == 1


def test_a_port_in_use_is_said_with_its_owner(tmp_path: Path) -> None:
    with PtyVehicle(tmp_path) as far, Watched(far.port) as watched:
        watched.wait(lambda: watched.bridge.statistics().ports_opened == 1)
        answer = run("monitor", far.port)
    assert f"in use by process {os.getpid()} (" in answer.stderr


@pytest.mark.parametrize(
    ("error_number", "words"),
    [(errno.EACCES, "no permission: add this user to the group"), (errno.EIO, os.strerror(errno.EIO))],
)
def test_a_port_that_may_not_be_opened_is_said_with_what_to_do(error_number: int, words: str) -> None:
    assert words in str(port_unusable("/dev/ttyUSB0", 115200, PortStep.OPENING, error_number))


@pytest.mark.parametrize(("option", "value"), [("--count", "0"), ("--octets", "129"), ("--octets", "x")])
def test_numbers_out_of_range_are_refused(option: str, value: str) -> None:
    answer = run("ping", "port", option, value)
    assert answer.returncode == 2
    assert f"'{value}': expected" in answer.stderr


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ("037f", "link: SABME P/F"),
        ("03f3aabb", "link: TEST P/F, 2 octets"),
        ("070307", "commands: control 03 expects 3 P/F"),
        ("070107", "commands: RR expects 3 P/F"),
        (
            "07020001090000000200ffff0500000001000000feffffff0080e803",
            "commands: I 1, expects 0: MOVE 9, epoch 2, no time limit, to node 5 at 1, -2 mm, any heading, 1000 mm/s",
        ),
        (
            "070000020900000002006400070000000a000000",
            "commands: I 0, expects 0: PICK 9, epoch 2, 100 ms left, at station 7, height 10 mm, own ms",
        ),
        ("07000004090000000200ffff", "commands: I 0, expects 0: PAUSE 9, epoch 2, no time limit"),
        ("07000007090000000200640005000000", "commands: I 0, expects 0: QUERY 9, epoch 2, 100 ms left, about 5"),
        ("05000080090000000200050203", "commands: I 0, expects 0: RESULT 9, epoch 2: DUPLICATE STOPPED, was DONE"),
        ("7b03e1050001", "stop: STOP 5, PERSON"),
        ("7b03e10500ff", "stop: STOP 5, 255"),
        ("7903e205000700", "stop: STOP_ACK 5, latch 7"),
        ("7b03e30700", "stop: RESET latch 7"),
        ("7903e4070000", "stop: RESET_ACK latch 7 RELEASED"),
        ("0903c1686900", "telemetry: NOTICE hi?"),
        ("0903c0", "telemetry: not understood: 09 03 c0"),
        ("0903", "telemetry: not understood: 09 03"),
        ("2103aa", "lane 8: message aa"),
    ],
)
def test_a_frame_in_words(frame: str, text: str) -> None:
    assert frame_text(bytes.fromhex(frame)) == text


def test_a_status_in_words() -> None:
    far = PtyVehicle(Path())
    far.vehicle.status(flags=3)
    assert frame_text(far.vehicle.urgent[0]) == (
        "telemetry: STATUS up 5 ms, at 1, -2 mm, 3 mrad, 4 mm/s, -5 mrad/s, charge 90.0 %, MOVING+LOADED, "
        "faults none, command 6, node 7, picks 8, drops 9"
    )
