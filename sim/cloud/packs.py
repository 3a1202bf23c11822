"""Sends a pack down, as a cloud would: retained chunks first, then the manifest that announces them."""

import json
from hashlib import sha256
from typing import Final

import aiomqtt

from agent.topics import Channel, DeviceName

__all__ = ["CHUNK_BYTES", "publish_pack"]

CHUNK_BYTES: Final = 65_536


async def publish_pack(
    client: aiomqtt.Client,
    device: DeviceName,
    name: str,
    version: int,
    content: bytes,
    *,
    chunk_bytes: int = CHUNK_BYTES,
) -> None:
    """Publish version `version` of set `name` for one device; returns when the broker has all of it."""
    digest = sha256(content).hexdigest()
    for number, start in enumerate(range(0, len(content), chunk_bytes)):
        topic = device.topic(Channel.PACKS, name, digest, str(number))
        await client.publish(topic, content[start : start + chunk_bytes], qos=1, retain=True)
    manifest = {"version": version, "sha256": digest, "size_bytes": len(content), "chunk_bytes": chunk_bytes}
    await client.publish(device.topic(Channel.PACKS, name), json.dumps(manifest).encode(), qos=1, retain=True)
