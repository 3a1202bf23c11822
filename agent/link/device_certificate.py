"""This device's certificate for the broker: whether it can be used, whose it is, and until when it is valid.

Its dates only warn. The broker judges them, by its own clock; this machine's may be the one that is wrong.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from agent.link.errors import LinkMisconfigured
from agent.link.secret_file import read_secret
from agent.link.server_certificate import UNREADABLE
from agent.settings import LinkSettings
from agent.topics import DeviceName

__all__ = ["WARN_DAYS", "DeviceCertificate"]

WARN_DAYS: Final = (30, 7, 1)
"""How long before its end a certificate is complained of: from the first on in the status, at each one in the log."""
FILE_BYTES_MAX: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """The first certificate of `link.certificate_file`, which is the device's own."""

    file: str
    common_name: str
    issuer: str
    not_before: datetime
    not_after: datetime

    @classmethod
    def load(cls, settings: LinkSettings, name: DeviceName) -> "DeviceCertificate":
        """What lies on the disk now, checked together with its key; `settings` name both files.

        Raises:
            LinkMisconfigured: one of the files cannot be used, they do not belong together, or it is another device's.
        """
        certificate = _certificate(settings.certificate_file)
        if not _belong_together(certificate, _key(settings.key_file)):
            raise LinkMisconfigured(
                f"{settings.key_file} is not the key of {settings.certificate_file}: "
                "put the two files there that were made together"
            )
        try:
            found = cls(
                settings.certificate_file,
                _common_name(certificate.subject),
                _common_name(certificate.issuer) or certificate.issuer.rfc4514_string(),
                certificate.not_valid_before_utc,
                certificate.not_valid_after_utc,
            )
        except UNREADABLE:
            raise _no_certificate(settings.certificate_file) from None
        found.check_name(settings.certificate_name, name)
        return found

    def check_name(self, pattern: str, name: DeviceName) -> None:
        """Holds the common name against `link.certificate_name`.

        Raises:
            LinkMisconfigured: it is another one.
        """
        wanted = pattern.replace("{site}", name.site).replace("{device}", name.device)
        if wanted and self.common_name != wanted:
            of_whom = f"has the common name {self.common_name!r}" if self.common_name else "has no common name"
            raise LinkMisconfigured(
                f"{self.file} {of_whom}, but this device is {wanted!r}: install its own certificate, correct site.id "
                "and device.id, or say in link.certificate_name what your authority writes there"
            )

    def warning(self, now: datetime) -> str:
        """What its dates ask for, in plain words; empty while all is well."""
        if now < self.not_before:
            return f"{self.file} is not valid before {self.not_before:%Y-%m-%d}; device clock is {now:%Y-%m-%d}"
        if now > self.not_after:
            return (
                f"{self.file} expired on {self.not_after:%Y-%m-%d} (device clock is {now:%Y-%m-%d}): "
                "put a renewed one in its place; events are kept"
            )
        left = self.not_after - now
        if left > timedelta(days=WARN_DAYS[0]):
            return ""
        days = "in less than a day" if left < timedelta(days=1) else f"in {left.days} {_days(left.days)}"
        return f"{self.file} expires {days}, on {self.not_after:%Y-%m-%d}: renew it"

    def step(self, now: datetime) -> int:
        """How many of `WARN_DAYS` have been reached; one more once it has expired."""
        left = self.not_after - now
        return sum(left <= timedelta(days=days) for days in (*WARN_DAYS, 0))


def _belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    try:
        return key.public_key() == certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False  # a kind of key that cannot be read, so no key that we have read is the one


def _days(count: int) -> str:
    return "day" if count == 1 else "days"


def _certificate(file: str) -> x509.Certificate:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX)
    except OSError as error:
        raise LinkMisconfigured(f"certificate file {file}: {error.strerror}") from error
    try:
        return x509.load_pem_x509_certificate(content)
    except UNREADABLE:
        raise _no_certificate(file) from None


def _no_certificate(file: str) -> LinkMisconfigured:
    return LinkMisconfigured(f"certificate file {file}: no PEM certificate in it")


def _key(file: str) -> PrivateKeyTypes:
    content = read_secret("key file", file)
    try:
        return load_pem_private_key(content, password=None)
    except TypeError:
        raise LinkMisconfigured(
            f"key file {file} is encrypted, and there is nobody to ask for its password: "
            f"store it in plain (openssl pkey -in {file}) and keep it at mode 600"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise LinkMisconfigured(f"key file {file}: no PEM private key in it") from None


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""
