"""What the settings of a vehicle say of it in VDA 5050's words: who it is on the broker, and what it can do."""

from agent.fleet.topics import ProtocolVersion, VehicleIdentity
from agent.fleet.vehicle_type import VehicleType
from agent.settings import VehicleSettings

__all__ = ["identity_of", "type_of"]


def identity_of(settings: VehicleSettings) -> VehicleIdentity:
    """Its name and the version it speaks."""
    version = ProtocolVersion(settings.vda5050)
    return VehicleIdentity(settings.manufacturer, settings.serial_number, version, settings.interface)


def type_of(settings: VehicleSettings) -> VehicleType:
    """Its abilities and limits."""
    maps = frozenset({settings.map_id})
    return VehicleType("Storeforward serial vehicle", speed_max=settings.speed_m_s_max, map_ids=maps)
