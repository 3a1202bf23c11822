"""How the twin connects: the MQTT 5 properties that aiomqtt takes as paho's own type, made in this one place."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

__all__ = ["connect_properties", "mqtt_client", "publish_properties"]

KEEPALIVE_S: Final = 30
CALL_TIMEOUT_S: Final = 10.0


def mqtt_client(
    host: str,
    port: int,
    name: str,
    *,
    session_expiry_s: int = 0,
    intake: Callable[..., asyncio.Queue[aiomqtt.Message]] = asyncio.Queue,
) -> aiomqtt.Client:
    """An MQTT 5 client, to be entered; with an expiry the broker keeps its subscriptions and messages that long.

    `intake` makes the queue of incoming messages, given `maxsize` (0: no limit).
    """
    return aiomqtt.Client(
        host,
        port,
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=session_expiry_s == 0,
        properties=connect_properties(session_expiry_s),
        keepalive=KEEPALIVE_S,
        timeout=CALL_TIMEOUT_S,
        # aiomqtt only calls it, but its annotation asks for a class.
        queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", intake),
    )


def connect_properties(session_expiry_s: int) -> Properties:
    """MQTT 5, 3.1.2.11.2: seconds the session outlives its connection."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho does not annotate it
    properties.SessionExpiryInterval = session_expiry_s
    return properties


def publish_properties(content_type: str) -> Properties:
    """MQTT 5, 3.3.2.3.9: what the payload is."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho does not annotate it
    properties.ContentType = content_type
    return properties
