"""Why a certificate's dates do not fit this machine's clock: which is of when, so that a person sees which is wrong."""

import ssl
from datetime import datetime
from typing import Final

from agent.clock import SystemClock

__all__ = ["DATES_DO_NOT_FIT", "date_words", "without_verification"]

DATES_DO_NOT_FIT: Final = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL's x509_vfy.h."""


def without_verification() -> ssl.SSLContext:
    """For a look at a certificate that was refused: over such a connection nothing else may go."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def date_words(tls: ssl.SSLSocket) -> str:
    """What the other side's certificate and this machine's clock say, when they do not fit; else empty."""
    from cryptography import x509  # noqa: PLC0415 - only when something is wrong

    certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    now = SystemClock().wall()  # the clock that OpenSSL compared with
    if now < certificate.not_valid_before_utc:
        return f"device clock is {_day(now)}; certificate valid from {_day(certificate.not_valid_before_utc)}"
    if now > certificate.not_valid_after_utc:
        return f"device clock is {_day(now)}; certificate valid until {_day(certificate.not_valid_after_utc)}"
    return ""  # it is another one of the chain


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
