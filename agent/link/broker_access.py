"""Where the broker is and who we are there, from the settings; read for each connection, so a new password counts."""

import ssl
import stat
from pathlib import Path

from agent.link.connection import Login
from agent.link.dial import Endpoint, tls_context
from agent.link.errors import LinkMisconfigured
from agent.settings import LinkSettings

__all__ = ["BrokerAccess"]


class BrokerAccess:
    """The one broker of this device, for its own link and for its vehicles' connections."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = None

    def endpoint(self) -> Endpoint:
        """Host, port and TLS.

        Raises:
            LinkMisconfigured: the CA file cannot be used.
        """
        if self._settings.tls and self._tls is None:
            self._tls = tls_context(self._settings.ca_file)
        return Endpoint(self._settings.host, self._settings.port, self._tls)

    def login(self) -> Login | None:
        """User name and password, if the broker wants them.

        Raises:
            LinkMisconfigured: the password file cannot be used, or is open to others.
        """
        settings = self._settings
        if not settings.username:
            return None
        return Login(settings.username, _read_password(settings.password_file) if settings.password_file else None)


def _read_password(file: str) -> str:
    path = Path(file)
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise LinkMisconfigured(f"password file {file} is open to others: chmod 600 {file}")
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise LinkMisconfigured(f"password file {file} is not text in UTF-8") from None
    except OSError as error:
        raise LinkMisconfigured(f"password file {file}: {error.strerror}") from error
