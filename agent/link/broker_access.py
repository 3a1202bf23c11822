"""Where the broker is and who we are there, from the settings.

The files are looked at for each connection, so a new password and a renewed certificate count from the next one on.
"""

import ssl
from collections.abc import Iterable
from pathlib import Path

from agent.link.connection import Login
from agent.link.device_certificate import DeviceCertificate
from agent.link.dial import Endpoint, tls_context
from agent.link.errors import LinkMisconfigured
from agent.link.secret_file import read_secret
from agent.settings import LinkSettings
from agent.topics import DeviceName

__all__ = ["BrokerAccess", "files_seen"]


class BrokerAccess:
    """The one broker of this device, for its own link and for its vehicles' connections."""

    def __init__(self, settings: LinkSettings, name: DeviceName) -> None:
        self._settings = settings
        self._name = name
        self._tls: ssl.SSLContext | None = None
        self._seen: tuple[tuple[int, ...], ...] = ()

    def endpoint(self) -> Endpoint:
        """Host, port and TLS, with this device's certificate where there is one.

        Raises:
            LinkMisconfigured: a CA, revocation, certificate or key file cannot be used.
        """
        settings = self._settings
        if not settings.tls:
            return Endpoint(settings.host, settings.port)
        seen = files_seen((settings.ca_file, settings.crl_file, settings.certificate_file, settings.key_file))
        if self._tls is None or seen != self._seen:  # making one takes 35 ms: not for each try of a broker that is down
            self._tls = self._new_context()
            self._seen = seen
        return Endpoint(settings.host, settings.port, self._tls)

    def login(self) -> Login | None:
        """User name and password, if the broker wants them.

        Raises:
            LinkMisconfigured: the password file cannot be used, or is open to others.
        """
        settings = self._settings
        if not settings.username:
            return None
        return Login(settings.username, _read_password(settings.password_file) if settings.password_file else None)

    def _new_context(self) -> ssl.SSLContext:
        settings = self._settings
        context = tls_context(settings.ca_file, settings.crl_file)
        if settings.certificate_file:
            DeviceCertificate.load(settings, self._name)
            try:
                context.load_cert_chain(settings.certificate_file, settings.key_file, password=_no_password)
            except OSError as error:  # ssl.SSLError is one; the files were fine just now
                raise LinkMisconfigured(
                    f"{settings.certificate_file} and {settings.key_file} do not serve as certificate and key: {error}"
                ) from error
        return context


def files_seen(names: Iterable[str]) -> tuple[tuple[int, ...], ...]:
    """What changes when one of these files is replaced, or its mode is."""
    return tuple(_seen(Path(name)) if name else () for name in names)


def _seen(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _no_password() -> str:
    """OpenSSL would ask on the terminal otherwise."""
    return ""


def _read_password(file: str) -> str:
    try:
        return read_secret("password file", file).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise LinkMisconfigured(f"password file {file} is not text in UTF-8") from None
