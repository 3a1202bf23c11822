"""A demo's progress as plain lines, for logs, pipes and terminals too small for the view."""

from typing import Final, Self, TextIO

from sim.demo.summary import LinkState, Sample, StoreDay

__all__ = ["ProgressLines"]

EVERY_S: Final = 5.0
_LINK_NEWS: Final = {
    LinkState.CUT: "network cut on purpose: selling goes on",
    LinkState.CONNECTING: "connecting to the cloud",
    LinkState.ONLINE: "online: events go up to the cloud",
}


class ProgressLines:
    """One line every few seconds, and one whenever the link changes."""

    def __init__(self, day: StoreDay, stream: TextIO) -> None:
        self._day = day
        self._stream = stream
        self._next_at_s = 0.0
        self._link: LinkState | None = None

    def __enter__(self) -> Self:
        self._say(f"a store day of {self._day.data_source}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def update(self, sample: Sample) -> None:
        """Say how far the demo is, if it is time to."""
        if sample.link is not self._link:
            self._link = sample.link
            self._say(f"{self._day.clock(sample.shop_time)} {_LINK_NEWS[sample.link]}")
        if sample.at_s >= self._next_at_s:
            self._next_at_s = sample.at_s + EVERY_S
            self._say(f"{self._day.clock(sample.shop_time)} {_words(self._day, sample)}")

    def _say(self, line: str) -> None:
        self._stream.write(f"demo: {line}\n")
        self._stream.flush()


def _words(day: StoreDay, sample: Sample) -> str:
    return (
        f"{sample.phase}, {day.progress(sample.shop_time):.0%} of the day: {sample.accepted:,} events in the log, "
        f"{sample.delivered:,} in the cloud, {sample.waiting:,} waiting; "
        f"append p99 {'not measured' if sample.append_ms_p99 is None else f'{sample.append_ms_p99:.1f} ms'}"
    )
