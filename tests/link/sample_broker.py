"""A real mosquitto with the sample configuration of docs/brokers: TLS, client certificates, access lists."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sim.broker import Broker, running_broker
from tests.link.certificates import Authority, Server
from tests.sources import ROOT

__all__ = ["SAMPLES", "link_settings", "sample_broker"]

SAMPLES: Final = ROOT / "docs" / "brokers"


@asynccontextmanager
async def sample_broker(folder: Path, authority: Authority, **files: Path) -> AsyncIterator[Broker]:
    """The sample as it is, but for its places: port, persistence, and the files that `files` and we say."""
    server = authority.server()
    places = {"certfile": server.certificate, "keyfile": server.key, "cafile": authority.file} | files
    config = (SAMPLES / "mosquitto" / "storeforward.conf").read_text(encoding="utf-8")
    assert "\nlistener 8883\n" in config
    config = config.replace("listener 8883", "listener {port} {host}")
    for key, place in ({"acl_file": SAMPLES / "mosquitto" / "storeforward.acl"} | places).items():
        config, found = re.subn(rf"(?m)^#?{key} .*$", f"{key} {place}", config)
        assert found == 1, key
    config += f"persistence_location {folder}/\nlog_dest stderr\nlog_type error\nlog_type warning\n"
    if os.geteuid() == 0:
        config += "user root\n"  # else it drops to a user for whom the test's folder is closed
    async with running_broker("mosquitto", folder, config=config) as broker:
        yield broker


def link_settings(authority: Authority, device: Server) -> dict[str, object]:
    """The settings of a device at that broker."""
    return {
        "tls": True,
        "ca_file": str(authority.file),
        "certificate_file": str(device.certificate),
        "key_file": str(device.key),
    }
