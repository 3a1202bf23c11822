"""What holds for every test: nothing leaves this machine, nobody's own files are touched, runs can be repeated."""

import os
import sys
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hypothesis import Phase, settings

from tests.sources import ROOT
from tests.stale_builds import stale_builds

# A busy small machine must not decide whether a property holds; a CI run must find what the last one found.
settings.register_profile("everywhere", deadline=None)
# For tests that must fail: the first broken example will do.
settings.register_profile("first", deadline=None, derandomize=True, phases=[Phase.generate])
settings.register_profile("ci", parent=settings.get_profile("everywhere"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "everywhere")


def _refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    if event not in {"socket.connect", "socket.bind", "socket.sendto"}:
        return
    address = arguments[1]
    if address == ("", 0):  # paho, before each connect: any address, any port, and nothing listens
        return
    if isinstance(address, tuple) and not _is_this_machine(str(address[0])):
        raise AssertionError(f"{event} {address}: tests use loopback addresses only")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


sys.addaudithook(_refuse_other_machines)


def pytest_configure() -> None:
    """Compiled modules of an older source would be tested, and found good."""
    if stale := stale_builds(ROOT / "firmware_bridge"):
        raise pytest.UsageError("\n".join(stale))


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty home for the tests and for every process they start."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in ("CACHE", "CONFIG", "DATA", "STATE"):
            patch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        yield
