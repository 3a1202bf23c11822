"""This device's certificate: what cannot be used is told by its file's name, and its end is told in time."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.link import BrokerAccess, LinkMisconfigured
from agent.link.device_certificate import DeviceCertificate
from agent.settings import LinkSettings
from tests.link.certificates import Authority, Server
from tests.link.device import NAME
from tests.open_folder import open_folder


def settings(device: Server, **changes: str) -> LinkSettings:
    files = {"certificate_file": str(device.certificate), "key_file": str(device.key)}
    return LinkSettings.model_validate({"tls": True} | files | changes)


def refusal(given: LinkSettings) -> str:
    with pytest.raises(LinkMisconfigured) as refused:
        BrokerAccess(given, NAME).endpoint()
    return str(refused.value)


def load(device: Server, **changes: str) -> DeviceCertificate:
    return DeviceCertificate.load(settings(device, **changes), NAME)


def test_a_certificate_says_whose_it_is_and_until_when(tmp_path: Path) -> None:
    found = load(Authority(tmp_path, "shop authority").device(days=5))
    assert (found.common_name, found.issuer) == ("store-1/box-1", "shop authority")
    assert timedelta(days=4) < found.not_after - datetime.now(UTC) < timedelta(days=6)


# --- files that cannot be used ---------------------------------------------------------------------------------


@pytest.mark.case("I3")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_key_that_others_may_read_or_write_is_refused_also_as_root(tmp_path: Path, mode: int) -> None:
    device = Authority(tmp_path).device()
    device.key.chmod(mode)
    assert (
        refusal(settings(device)) == f"key file: {device.key} is open to others (mode {mode:o}): chmod 600 {device.key}"
    )


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from agent.link import BrokerAccess, LinkMisconfigured
from agent.settings import LinkSettings
from agent.topics import DeviceName
settings = LinkSettings(tls=True, certificate_file=sys.argv[1], key_file=sys.argv[2])
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    BrokerAccess(settings, DeviceName("store-1", "box-1")).endpoint()
except LinkMisconfigured as refused:
    print(refused)
"""


@pytest.mark.case("I3")
def test_a_key_that_this_user_may_not_read_is_told_as_such() -> None:
    with open_folder() as folder:
        device = Authority(folder).device()
        device.key.chmod(0o000)
        command = [sys.executable, "-c", UNPRIVILEGED, str(device.certificate), str(device.key)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert told == f"key file: cannot read {device.key} (Permission denied): check its owner\n"


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ours, other = authority.device(), authority.device()
    assert f"{other.key} is not the key of {ours.certificate}" in refusal(settings(Server(ours.certificate, other.key)))


@pytest.mark.parametrize("part", ["certificate", "key"])
def test_what_is_missing_or_no_pem_is_refused_by_name(tmp_path: Path, part: str) -> None:
    device = Authority(tmp_path).device()
    file = getattr(device, part)
    file.write_text("-----BEGIN NONSENSE-----\n")
    assert refusal(settings(device)).startswith(f"{part} file {file}: no PEM ")
    file.unlink()
    assert refusal(settings(device)) == f"{part} file {file}: No such file or directory"


def test_a_key_of_another_kind_is_not_the_key(tmp_path: Path) -> None:
    device = Authority(tmp_path).device()
    other = ed25519.Ed25519PrivateKey.generate()
    device.key.write_bytes(pem(other, serialization.NoEncryption()))
    assert "is not the key of" in refusal(settings(device))


def test_an_encrypted_key_is_refused_without_asking_for_a_password(tmp_path: Path) -> None:
    device = Authority(tmp_path).device()
    key = serialization.load_pem_private_key(device.key.read_bytes(), None)
    device.key.write_bytes(pem(key, serialization.BestAvailableEncryption(b"secret")))
    assert f"key file {device.key} is encrypted" in refusal(settings(device))


def pem(key: object, encryption: serialization.KeySerializationEncryption) -> bytes:
    assert hasattr(key, "private_bytes")
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    assert isinstance(content, bytes)
    return content


# --- whose it is -----------------------------------------------------------------------------------------------


@pytest.mark.case("I4")
@pytest.mark.parametrize("common_name", ["store-1/box-2", "store-2/box-1", "box-1", "STORE-1/BOX-1", ""])
def test_a_certificate_of_another_device_is_refused(tmp_path: Path, common_name: str) -> None:
    device = Authority(tmp_path).device(common_name)
    told = refusal(settings(device))
    assert str(device.certificate) in told
    assert repr(common_name) in told or "no common name" in told
    assert "this device is 'store-1/box-1'" in told


@pytest.mark.case("I4")
@pytest.mark.parametrize(
    ("pattern", "common_name"),
    [("{device}.{site}.example.com", "box-1.store-1.example.com"), ("{device}", "box-1"), ("", "anybody"), ("", "")],
)
def test_the_settings_say_what_else_an_authority_writes_there(tmp_path: Path, pattern: str, common_name: str) -> None:
    device = Authority(tmp_path).device(common_name)
    assert load(device, certificate_name=pattern).common_name == common_name


# --- its dates -------------------------------------------------------------------------------------------------


@pytest.mark.case("I2")
@pytest.mark.parametrize(
    ("days", "step", "says"),
    [
        (31, 0, ""),
        (29.5, 1, "expires in 29 days, on "),
        (6.5, 2, "expires in 6 days, on "),
        (1.5, 2, "expires in 1 day, on "),
        (0.5, 3, "expires in less than a day, on "),
        (-1, 4, "events are kept"),
    ],
)
def test_its_end_is_told_30_days_before_and_at_7_and_1_and_after(
    tmp_path: Path, days: float, step: int, says: str
) -> None:
    found, now = load(Authority(tmp_path).device(days=days)), datetime.now(UTC)
    assert found.step(now) == step
    told = found.warning(now)
    assert says in told
    assert bool(told) == bool(says)
    assert found.file in told or not told


@pytest.mark.case("C4")
def test_a_certificate_of_the_future_is_told_with_the_clocks_date(tmp_path: Path) -> None:
    found = load(Authority(tmp_path).device())
    assert found.warning(datetime(1970, 1, 1, tzinfo=UTC)).endswith(
        f"is not valid before {found.not_before:%Y-%m-%d}; device clock is 1970-01-01"
    )


# --- renewal ---------------------------------------------------------------------------------------------------


@pytest.mark.case("I2")
def test_renewed_files_count_from_the_next_connection_on_and_unchanged_ones_are_not_read_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    device, renewed = authority.device(), authority.device(days=90)
    access = BrokerAccess(settings(device, ca_file=str(authority.file)), NAME)
    first = access.endpoint().tls
    assert access.endpoint().tls is first
    renewed.certificate.replace(device.certificate)
    with pytest.raises(LinkMisconfigured, match="is not the key of"):
        access.endpoint()  # in the middle of it
    renewed.key.replace(device.key)
    assert access.endpoint().tls is not first
