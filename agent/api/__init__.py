"""The local HTTP API: events in, baskets, till requests, products and status out."""

from agent.api.device_status import DeviceStatus
from agent.api.listeners import ListenerFailed
from agent.api.server import LocalApi

__all__ = ["DeviceStatus", "ListenerFailed", "LocalApi"]
