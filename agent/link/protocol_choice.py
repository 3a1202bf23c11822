"""Which MQTT to speak next: 5 first, 3.1.1 where the broker has no more. It knows no socket and no clock.

MQTT 3.1.1 has no reason codes: a broker acknowledges a publish that it throws away, so only the ledger's receipts tell
what arrived. That is why 5 is asked for again from time to time, and why a broker that hangs up without a word has to
do so twice, and not to have spoken 5 before.
"""

from enum import StrEnum
from typing import Final, Literal

from agent.link.errors import BrokerRefused, ConnectUnanswered
from agent.link.reasons import UNSUPPORTED_VERSION

__all__ = ["ASK_AGAIN_AFTER_S", "MqttVersion", "ProtocolChoice"]

UNANSWERED_MAX: Final = 2  # one may be the network's fault
ASK_AGAIN_AFTER_S: Final = 3_600.0  # a broker may have been renewed, or a bad line taken for an old broker


class MqttVersion(StrEnum):
    """The versions that we speak."""

    V5 = "5"
    V3 = "3.1.1"


class ProtocolChoice:
    """What one client knows of its broker. Times are monotonic."""

    def __init__(self, setting: Literal["auto", "5", "3.1.1"]) -> None:
        self._fixed = None if setting == "auto" else MqttVersion(setting)
        self._version = self._fixed or MqttVersion.V5
        self._unanswered = 0
        self._fell_back_at_s = 0.0
        self._has_spoken_5 = False

    def version(self, now_s: float) -> MqttVersion:
        """What to speak on the next connection."""
        if self._fixed is None and self._version is MqttVersion.V3 and now_s - self._fell_back_at_s > ASK_AGAIN_AFTER_S:
            self._become(MqttVersion.V5, now_s)
        return self._version

    def connected(self) -> None:
        """The broker took our CONNECT."""
        self._unanswered = 0
        self._has_spoken_5 = self._has_spoken_5 or self._version is MqttVersion.V5

    def failed(self, failure: Exception, now_s: float) -> MqttVersion | None:
        """A connection did not come about; the other version, when that is to be spoken next."""
        if self._fixed is not None:
            return None
        refused = isinstance(failure, BrokerRefused) and failure.code == UNSUPPORTED_VERSION
        self._unanswered += isinstance(failure, ConnectUnanswered)
        # A broker that has spoken 5 is away, behind something that takes its connections meanwhile.
        is_away = self._has_spoken_5 and self._version is MqttVersion.V5
        if not refused and (is_away or self._unanswered < UNANSWERED_MAX):
            return None
        self._become(MqttVersion.V5 if self._version is MqttVersion.V3 else MqttVersion.V3, now_s)
        return self._version

    def _become(self, version: MqttVersion, now_s: float) -> None:
        self._version = version
        self._unanswered = 0
        self._fell_back_at_s = now_s
