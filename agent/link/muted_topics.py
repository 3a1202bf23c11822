"""Topics that are not listened to for a while, as what came down there is more than we take. It knows no clock."""

from typing import Final

__all__ = ["MUTED_S", "MutedTopics"]

MUTED_S: Final = 3_600.0  # a retained message comes again with each subscription
TOPICS_MAX: Final = 64


class MutedTopics:
    """Without it, one retained message could keep an MQTT 3.1.1 link from ever sending. Times are monotonic."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self._reasons: dict[str, str] = {}

    def mute(self, topic: str, reason: str, now_s: float) -> None:
        """Do not listen there from the next connection on."""
        if topic not in self._until_s and len(self._until_s) >= TOPICS_MAX:
            oldest = min(self._until_s, key=self._until_s.__getitem__)
            del self._until_s[oldest], self._reasons[oldest]
        self._until_s[topic], self._reasons[topic] = now_s + MUTED_S, reason

    def reason(self, topic: str, now_s: float) -> str:
        """Why a topic is not listened to; empty when it is."""
        return self._reasons[topic] if now_s < self._until_s.get(topic, now_s) else ""

    def reasons(self, now_s: float) -> list[str]:
        """All of them, for people."""
        return [f"{topic} is not listened to: {why}" for topic in self._until_s if (why := self.reason(topic, now_s))]
