"""Certificates for tests: an authority of our own, and servers with and without its word."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Server:
    """Files of one server's certificate and key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives for one test."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._count = 0
        self.file = self._folder / f"{name.replace(' ', '-')}.pem"
        certificate = (
            self._builder(self._name, self._key, days=2)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS_CERTIFICATES, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, address: str = "127.0.0.1", *, days: int = 2, from_days: int = -10) -> Server:
        """A server certificate for a name or address, valid between these days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        self._count += 1
        names: list[x509.GeneralName] = []
        try:
            names.append(x509.IPAddress(ip_address(address)))
        except ValueError:
            names.append(x509.DNSName(address))
        certificate = (
            self._builder(x509.Name([]), key, days=days, from_days=from_days)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        server = Server(self._folder / f"server-{self._count}.pem", self._folder / f"server-{self._count}.key")
        server.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        server.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return server

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int, from_days: int = -10
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=from_days))
            .not_valid_after(now + timedelta(days=days))
        )
