"""What a broker's TLS alert means for us: with client certificates, it is how a broker refuses one (RFC 8446, 6.2)."""

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["alert_words"]

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # OpenSSL's names; the alert's number is in the RFC.
        "TLSV13_ALERT_CERTIFICATE_REQUIRED": "wants a certificate of this device: set link.certificate_file",
        "SSLV3_ALERT_BAD_CERTIFICATE": "does not take this device's certificate: it cannot read or verify it",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "does not take this device's kind of certificate",
        "SSLV3_ALERT_CERTIFICATE_REVOKED": "says that this device's certificate was withdrawn: it needs a new one",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED": "says that this device's certificate has expired: renew it",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "does not take this device's certificate, without saying why",
        "TLSV1_ALERT_UNKNOWN_CA": "does not know the authority that issued this device's certificate",
        "TLSV1_ALERT_ACCESS_DENIED": "knows this device's certificate and does not let it in",
        "TLSV1_ALERT_DECRYPT_ERROR": "could not verify this device's signature: is the key that of the certificate?",
        "TLSV1_ALERT_PROTOCOL_VERSION": "speaks no TLS version that is safe: it needs 1.2 or newer",
        "SSLV3_ALERT_HANDSHAKE_FAILURE": (
            "refused the TLS handshake: it may want a certificate of this device (link.certificate_file), "
            "or has no cipher in common with us"
        ),
        "TLSV1_UNRECOGNIZED_NAME": "does not know the name in link.host",
    }
)


def alert_words(error: ssl.SSLError) -> str:
    """What follows the broker's name in a sentence; empty when this is no alert."""
    reason = error.reason or ""
    if words := _WORDS.get(reason):
        return f"{words} (TLS: {reason.lower().replace('_', ' ')})"
    return f"ended TLS: {reason.lower().replace('_', ' ')}" if "ALERT" in reason else ""
