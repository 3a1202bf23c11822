"""Certificates for tests: an authority, servers and devices with and without its word, and what it withdrew."""

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
    """Files of one certificate and its key."""

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
        try:
            name: x509.GeneralName = x509.IPAddress(ip_address(address))
        except ValueError:
            name = x509.DNSName(address)
        return self._issue("server", x509.Name([]), name, days=days, from_days=from_days)

    def device(self, common_name: str = "store-1/box-1", *, days: float = 2, from_days: int = -10) -> Server:
        """A client certificate with its key, which only its owner can read."""
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
        return self._issue("device", x509.Name(attributes), None, days=days, from_days=from_days)

    def alone(self, address: str = "127.0.0.1") -> Server:
        """A server certificate that only its own key vouches for."""
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        return self._issue("alone", self._name, x509.IPAddress(ip_address(address)), days=2, key=self._key)

    def withdrawn(self, *issued: Server, days: int = 2) -> Path:
        """A revocation list with these certificates, of a day ago and good for so many days from now."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now - timedelta(days=10)).next_update(now + timedelta(days=days))
        for one in issued:
            serial = x509.load_pem_x509_certificate(one.certificate.read_bytes()).serial_number
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(days=1))
            builder = builder.add_revoked_certificate(revoked.build())
        self._count += 1
        file = self._folder / f"{self.file.stem}-crl-{self._count}.pem"
        file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return file

    def _issue(
        self,
        kind: str,
        subject: x509.Name,
        alternative: x509.GeneralName | None,
        *,
        days: float,
        from_days: int = -10,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Server:
        key = key or ec.generate_private_key(ec.SECP256R1())
        self._count += 1
        builder = self._builder(subject, key, days=days, from_days=from_days)
        if alternative:
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=True)
        stem = f"{self.file.stem}-{kind}-{self._count}"
        issued = Server(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        certificate = builder.sign(self._key, hashes.SHA256())
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        issued.key.chmod(0o600)
        return issued

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: float, from_days: int = -10
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
