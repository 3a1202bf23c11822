"""The vehicles of the demo: two processes of the C firmware, each behind a serial line of its own at 115200 baud."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.fleet.topics import ProtocolVersion, VehicleIdentity
from sim.firmware import CompilerFailed, CompilerMissing, SourcesMissing
from sim.fleet_control import Place
from sim.line import SerialLine
from sim.vehicle import Vehicle, VehicleOptions

__all__ = ["VEHICLES_FOLDER", "DemoVehicle", "Vehicles"]

VEHICLES_FOLDER: Final = "vehicles"
MANUFACTURER: Final = "acme"
SPEED_MM_S: Final = 1600
PICK_MS: Final = 400
VERSIONS: Final = (ProtocolVersion.V2_0_0, ProtocolVersion.V2_1_0)  # one vehicle each

_SETTINGS: Final = """\

[[vehicles]]
id = "{id}"
manufacturer = "{manufacturer}"
serial_number = "{serial_number}"
port = "{port}"
vda5050 = "{version}"
speed_m_s_max = 1.6
"""


@dataclass(frozen=True, slots=True)
class DemoVehicle:
    """One vehicle: its name in the shop, its name at fleet control, its firmware and the line to it."""

    vehicle_id: str
    identity: VehicleIdentity
    firmware: Vehicle
    line: SerialLine


class Vehicles:
    """All vehicles, or none and the sentence that says why."""

    def __init__(self, folder: Path, starts: Sequence[Place]) -> None:
        """One vehicle at each of these places; nothing runs yet."""
        self.absence = ""
        """Why there are none, as a sentence."""
        self.exit_codes: list[int] = []
        self._folder = folder
        self._starts = tuple(starts)
        self._running: list[DemoVehicle] = []
        self._closing = ExitStack()

    @property
    def running(self) -> Sequence[DemoVehicle]:
        """Every vehicle, in the order of their names."""
        return self._running

    def start(self) -> None:
        """Start all, or none when the firmware cannot be built: the day is played without them.

        Raises:
            VehicleFailed, SerialLineFailed: what was built does not run.
        """
        with ExitStack() as closing:
            try:
                for number, place in enumerate(self._starts, 1):
                    self._running.append(self._start_one(number, place, closing))
            except (SourcesMissing, CompilerMissing, CompilerFailed) as failure:
                self.absence = f"The shop has no vehicles, for their firmware cannot be built: {failure}"
                return
            self._closing = closing.pop_all()

    def stop(self) -> None:
        """End them; again does nothing."""
        self._closing.close()

    @property
    def settings(self) -> str:
        """Their sections of the agent's settings file."""
        return "".join(
            _SETTINGS.format(
                id=one.vehicle_id,
                manufacturer=one.identity.manufacturer,
                serial_number=one.identity.serial_number,
                port=one.line.bridge,
                version=one.identity.version,
            )
            for one in self._running
        )

    def _start_one(self, number: int, place: Place, closing: ExitStack) -> DemoVehicle:
        vehicle_id, serial_number = f"agv-{number}", f"{number:04}"
        folder = self._folder / vehicle_id
        options = VehicleOptions(
            serial=serial_number,
            speed_mm_s=SPEED_MM_S,
            pick_ms=PICK_MS,
            x_mm=round(place.x * 1_000),
            y_mm=round(place.y * 1_000),
        )
        firmware = Vehicle(folder, options)
        firmware.start()
        closing.callback(self._end, firmware)
        line = SerialLine(folder / "port", firmware.line)
        line.start()
        closing.callback(line.stop)
        identity = VehicleIdentity(MANUFACTURER, serial_number, VERSIONS[number % len(VERSIONS)])
        return DemoVehicle(vehicle_id, identity, firmware, line)

    def _end(self, firmware: Vehicle) -> None:
        self.exit_codes.append(firmware.stop() or 0)
