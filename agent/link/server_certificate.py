"""The certificate that a broker shows: whose it is and until when, and in plain words why it was refused."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from cryptography import x509

from agent.clock import SystemClock

__all__ = ["UNREADABLE", "ServerCertificate", "refusal_words", "without_verification"]

_REFUSALS: Final[Mapping[int, str]] = MappingProxyType(
    # X509_V_ERR_… of OpenSSL's x509_vfy.h. For 9 and 10 (not yet valid, expired) there are dates to tell.
    dict.fromkeys(
        (62, 64),  # hostname or address mismatch
        "it is for {names}: is link.host right, or does a captive portal or proxy answer in its place?",
    )
    | dict.fromkeys(
        (2, 19, 20, 21),  # no issuer, or a self-signed one, that is trusted
        "it was issued by {issuer}, which is not trusted here: see link.ca_file",
    )
    | {
        18: "nobody vouches for it: if it is yours, name it in link.ca_file",
        23: "{issuer} has withdrawn it: the broker needs a new one",
        3: "link.crl_file holds no list of each authority above it (the last is {issuer})",
    }
    | dict.fromkeys((11, 12), "link.crl_file is not of now: fetch the authority's newest list")
)
_OTHER_DATES: Final = (9, 10)

UNREADABLE: Final = (ValueError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
"""What cryptography raises at bytes that are no certificate, or one of a kind that it does not know."""
NAMES_TOLD_MAX: Final = 3
NAME_CHARS_MAX: Final = 80
DER_BYTES_MAX: Final = 65_536


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """What is told of one. Before it was verified these are a stranger's words: few, short, and printable."""

    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime

    @classmethod
    def of(cls, tls: ssl.SSLSocket) -> "ServerCertificate | None":
        """The other side's own; None when it cannot be read."""
        der = tls.getpeercert(binary_form=True) or b""
        try:
            certificate = x509.load_der_x509_certificate(der[:DER_BYTES_MAX])
            names = _names(certificate)
            issuer = _text(certificate.issuer.rfc4514_string())
            return cls(names, issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        except UNREADABLE:
            return None

    @property
    def told_names(self) -> str:
        """The first few names."""
        more = ", …" if len(self.names) > NAMES_TOLD_MAX else ""
        return ", ".join(self.names[:NAMES_TOLD_MAX]) + more if self.names else "nobody"


def without_verification() -> ssl.SSLContext:
    """For a look at a certificate that was refused: over such a connection nothing else may go."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def refusal_words(verify_code: int, seen: ServerCertificate) -> str:
    """What a person needs to know beside OpenSSL's message, and what to do; empty when there is nothing to add."""
    if verify_code in _OTHER_DATES:
        return _date_words(seen)
    return _REFUSALS.get(verify_code, "").format(names=seen.told_names, issuer=seen.issuer)


def _date_words(seen: ServerCertificate) -> str:
    now = SystemClock().wall()  # the clock that OpenSSL compared with
    if now < seen.not_before:
        return f"device clock is {_day(now)}; certificate valid from {_day(seen.not_before)}"
    if now > seen.not_after:
        return f"device clock is {_day(now)}; certificate valid until {_day(seen.not_after)}"
    return ""  # it is another one of the chain


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    dns = found.get_values_for_type(x509.DNSName)
    addresses = found.get_values_for_type(x509.IPAddress)
    return tuple(_text(str(name)) for name in (*dns, *addresses))


def _text(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:NAME_CHARS_MAX]
