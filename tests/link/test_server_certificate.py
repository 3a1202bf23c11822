"""What a stranger's certificate says of itself: whatever its bytes, it is told or not, and never raises."""

import ssl
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from agent.link import LinkMisconfigured
from agent.link.device_certificate import DeviceCertificate
from agent.link.server_certificate import NAME_CHARS_MAX, ServerCertificate
from agent.settings import LinkSettings
from tests.link.certificates import Authority
from tests.link.device import NAME

VERSION_AT = bytes.fromhex("a003020102")
"""Version 3 in DER (RFC 5280, 4.1.2.1)."""


class Shown:
    """The one thing that is asked of a TLS connection."""

    def __init__(self, der: bytes | None) -> None:
        self._der = der

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        assert binary_form
        return self._der


def told(der: bytes | None) -> ServerCertificate | None:
    return ServerCertificate.of(cast("ssl.SSLSocket", Shown(der)))


@cache
def good() -> bytes:
    with TemporaryDirectory() as folder:
        server = Authority(Path(folder)).server("mqtt.example.com")
        return x509.load_pem_x509_certificate(server.certificate.read_bytes()).public_bytes(Encoding.DER)


def test_names_issuer_and_dates_are_told() -> None:
    found = told(good())
    assert found is not None
    assert (found.told_names, found.issuer) == ("mqtt.example.com", "CN=test authority")
    assert found.not_before < found.not_after


@pytest.mark.parametrize("der", [None, b"", b"no certificate", good().replace(VERSION_AT, VERSION_AT[:-1] + b"\x09")])
def test_what_is_no_certificate_is_not_told(der: bytes | None) -> None:
    assert told(der) is None


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_no_bytes_raise_and_every_text_is_short_and_printable(changes: list[tuple[int, int]]) -> None:
    der = bytearray(good())
    for at, byte in changes:
        der[at % len(der)] = byte
    if found := told(bytes(der)):
        texts = (found.issuer, *found.names)
        assert all(text.isprintable() and len(text) <= NAME_CHARS_MAX for text in texts)


def test_an_own_certificate_of_an_unknown_version_is_refused_by_name(tmp_path: Path) -> None:
    device = Authority(tmp_path).device()
    der = x509.load_pem_x509_certificate(device.certificate.read_bytes()).public_bytes(Encoding.DER)
    device.certificate.write_text(ssl.DER_cert_to_PEM_cert(der.replace(VERSION_AT, VERSION_AT[:-1] + b"\x09")))
    files = {"certificate_file": str(device.certificate), "key_file": str(device.key)}
    with pytest.raises(LinkMisconfigured, match="no PEM certificate in it"):
        DeviceCertificate.load(LinkSettings.model_validate({"tls": True} | files), NAME)
