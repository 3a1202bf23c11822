"""The POSIX port: the firmware as a process on a pty, in the build that ends at the first bad memory access."""

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.firmware import Product, build
from sim.vehicle import Vehicle, VehicleFailed, VehicleOptions
from tests.sim.firmware.pty_bridge import DEADLINE_S, FAILED, STARTED, Wire

MOVE, PICK = 1, 2


@pytest.fixture
def vehicle(tmp_path: Path) -> Iterator[Vehicle]:
    with Vehicle(tmp_path, VehicleOptions(serial="AGV-5", pick_ms=60), sanitized=True) as vehicle:
        yield vehicle
        log = (tmp_path / "vehicle.log").read_text(encoding="utf-8")
        assert log == ""


@pytest.fixture
def wire(vehicle: Vehicle) -> Iterator[Wire]:
    wire = Wire(vehicle.line)
    yield wire
    os.close(wire.port)


def test_a_pick_over_the_pty_is_in_the_truth_once(vehicle: Vehicle, wire: Wire) -> None:
    wire.open()
    done = wire.complete(PICK, struct.pack("<IHH", 12, 0, 0))
    assert wire.outcomes(done) == [1, 2, 3]
    (pick,) = vehicle.seen("pick")
    assert pick.numbers == {"station": 12, "count": 1}
    assert [seen.what for seen in vehicle.truth()][:3] == ["boot", "latched", "released"]


def test_a_move_is_seen_to_begin_and_to_end(vehicle: Vehicle, wire: Wire) -> None:
    wire.open()
    wire.complete(MOVE, struct.pack("<IiihH", 1, 100, 0, -32768, 0))
    assert abs(vehicle.seen("move_end")[-1].numbers["x_mm"] - 100) < 6
    assert vehicle.seen("move_begin")


def test_a_lease_that_is_not_kept_up_ends_in_standstill(vehicle: Vehicle, wire: Wire) -> None:
    """How soon is shown in line time, in test_stop: there no busy machine is in the way."""
    wire.open()
    wire.complete(MOVE, struct.pack("<IiihH", 1, 100_000, 0, -32768, 0), wanted=STARTED)
    wire.beats = False
    wire.until(lambda: vehicle.seen("standstill"))
    assert vehicle.seen("standstill")[-1].numbers["cause"] == 3
    wire.until(lambda: len(vehicle.seen("move_end")) == len(vehicle.seen("move_begin")))


def test_a_firmware_reset_keeps_the_load_counts_the_boot_and_latches(vehicle: Vehicle, wire: Wire) -> None:
    wire.open()
    wire.complete(PICK, struct.pack("<IHH", 12, 0, 0))
    vehicle.reset_firmware()
    wire.until(lambda: len(vehicle.seen("boot")) == 2)
    said = wire.open(epoch=2)
    assert (said[0xF0, 0x13][3], said[0xF0, 0x14], said[0xF0, 0x16][2]) == (2, b"\x03", 1)
    wire.complete(PICK, struct.pack("<IHH", 12, 0, 0), wanted=FAILED)
    assert len(vehicle.seen("pick")) == 1


def test_a_killed_vehicle_keeps_its_boot_count_and_its_truth(vehicle: Vehicle) -> None:
    for boots in (2, 3):
        vehicle.kill()
        vehicle.start()
        assert vehicle.seen("boot")[-1].numbers == {"count": boots, "cause": 1}
    assert len(vehicle.truth()) == 6


def test_a_bridge_may_come_and_go(vehicle: Vehicle) -> None:
    for epoch in (1, 2, 3):
        wire = Wire(vehicle.line)
        wire.open(epoch)
        assert all(frame.info[:1] != b"\xe0" or frame.info[1] < 200 for frame in wire.frames)
        os.close(wire.port)


def test_a_vehicle_ends_in_order_and_takes_its_link_along(vehicle: Vehicle) -> None:
    assert vehicle.line.is_symlink()
    assert vehicle.stop() == 0
    assert not vehicle.line.is_symlink()


def test_a_vehicle_ends_with_whoever_started_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [build(Product.VEHICLE), "--watch-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith(b"ready /dev/pts/")
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(DEADLINE_S) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baud", "fast"], "--baud fast: expected a number from 0 to 4000000"),
        (["--speed-mm-s", "1601"], "--speed-mm-s 1601: expected a number from 1 to 1600"),
        (["--charge", "-1"], "--charge -1: expected a number from 0 to 1000"),
        (["--x-mm", "99999999999999999999"], "expected a number from -200000 to 200000"),
        (["--nonsense"], "usage: vehicle"),
        (["extra"], "usage: vehicle"),
        (["--truth", "/nowhere/truth"], "cannot append to /nowhere/truth"),
        (["--link", "/nowhere/line"], "cannot open a pty at /nowhere/line"),
    ],
)
def test_a_wrong_option_is_refused_with_what_was_expected(words: list[str], said: str) -> None:
    run = subprocess.run(
        [build(Product.VEHICLE), *words], capture_output=True, check=False, text=True, timeout=DEADLINE_S
    )
    assert run.returncode in (1, 2)
    assert said in run.stderr


def test_a_boot_file_that_holds_no_count_is_refused(tmp_path: Path) -> None:
    (tmp_path / "boots").write_text("no number", encoding="ascii")
    with pytest.raises(VehicleFailed, match="holds no boot count"):
        Vehicle(tmp_path).start()
