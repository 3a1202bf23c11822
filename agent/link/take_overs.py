"""Whether somebody else connects with our client id. It knows no socket and no clock.

A broker ends the older of two connections with one client id. MQTT 5 brokers may say so (0x8E); others hang up without
a word, so several connections in a row that end soon after they began are what shows it. Two such clients throw each
other out for as long as both come back, so their connections last about as long as the other waits: what counts as
soon grows with our own wait, which is theirs, too, where both are one of us.
"""

from typing import Final

from agent.link.errors import ConnectionLost, EndedByUs
from agent.link.reasons import SESSION_TAKEN_OVER

__all__ = ["STABLE_AFTER_S", "TakeOvers"]

STABLE_AFTER_S: Final = 10.0  # a connection that lasted this long, or twice our longest wait before it, is a good one
SILENT_ENDS_MAX: Final = 4  # more than a broker needs to restart

_CLONED: Final = "another client uses this client id: is a card cloned?"


class TakeOvers:
    """How the last connections of one client id ended. Times are in seconds."""

    def __init__(self, backoff_max_s: float) -> None:
        self._backoff_max_s = backoff_max_s
        self._said = 0
        self._silent = 0
        self._good_after_s = STABLE_AFTER_S

    @property
    def suspected(self) -> bool:
        """Whether the next wait shall be longer than the last, although connections came about."""
        return bool(self._said) or self._silent >= SILENT_ENDS_MAX

    def ended(self, failure: Exception, lasted_s: float, wait_s_max: float) -> None:
        """A connection that had come about ended; before it we waited up to `wait_s_max`."""
        if not isinstance(failure, ConnectionLost) or isinstance(failure, EndedByUs):
            return
        taken_over = failure.code == SESSION_TAKEN_OVER
        if self.is_good(lasted_s) and not taken_over:
            self._said = self._silent = 0
        self._said += taken_over
        soon = lasted_s < max(STABLE_AFTER_S, 2 * wait_s_max)
        self._silent = self._silent + 1 if soon and failure.code == 0 else 0
        self._good_after_s = 2 * max(STABLE_AFTER_S / 2, self._backoff_max_s if self._said else wait_s_max)

    def is_good(self, lasted_s: float) -> bool:
        """Whether a connection lasted so long that nobody else seems to be there any more."""
        return lasted_s >= self._good_after_s

    def reason(self, online_s: float) -> str:
        """What to tell people, `online_s` after the connection that is up began (0: none is); empty if all is well."""
        if not self.suspected or self.is_good(online_s):
            return ""
        if self._said:
            times = "once" if self._said == 1 else f"{self._said} times"
            return f"{_CLONED} (the broker said {times} that it took over)"
        return f"the broker hung up {self._silent} times in a row soon after we connected: perhaps {_CLONED}"
