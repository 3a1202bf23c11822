"""The network between a device and its broker: a TCP proxy that is slow, loses, lies and breaks as networks do."""

from sim.network.faults import PacketFaults, PubackFaults, Then, Trap
from sim.network.packets import PacketType
from sim.network.profiled_line import ProfiledLine
from sim.network.profiles import PROFILES, Phase, Profile
from sim.network.proxy import FaultProxy, LineState
from sim.network.quality import LineQuality
from sim.network.way import Direction

__all__ = [
    "PROFILES",
    "Direction",
    "FaultProxy",
    "LineQuality",
    "LineState",
    "PacketFaults",
    "PacketType",
    "Phase",
    "Profile",
    "ProfiledLine",
    "PubackFaults",
    "Then",
    "Trap",
]
