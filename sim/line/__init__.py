"""A serial line between two ptys: paces octets at the baud rate, and fails like one."""

from sim.line.noise import Faults, Noise
from sim.line.serial_line import SerialLine, SerialLineFailed
from sim.line.wire import LatencyTimer, Wire

__all__ = ["Faults", "LatencyTimer", "Noise", "SerialLine", "SerialLineFailed", "Wire"]
