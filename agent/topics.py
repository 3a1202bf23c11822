"""MQTT topics, built and parsed in one place; `parse_topic` is the inverse of `Topic.__str__`.

sf/v1/{site}/{device}/evt/{stream}      up    events
sf/v1/{site}/{device}/state             up    retained, with will
sf/v1/{site}/{device}/ack               down  retained receipts of the ledger
sf/v1/{site}/{device}/cfg/desired       down  retained;   cfg/reported  up, retained
sf/v1/{site}/{device}/dat/{set}[/{hash}/{n}]              down  packs: manifest and chunks
sf/v1/_market/{market}/dat/{set}[/{hash}/{n}]             down  packs shared by a market
sf/v1/{site}/{device}/cmd/{verb}        down  commands;   cmd/{verb}/res/{id}  up
sf/v1/{site}/{device}/probe             both  what `storeforward doctor` says to itself
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from agent.errors import CallerError

__all__ = ["Channel", "DeviceName", "Topic", "TopicRefused", "device_filter", "parse_topic", "receipt_filter"]

ROOT: Final = "sf/v1"
MARKET_LEVEL: Final = "_market"
_LEVEL: Final = re.compile(r"[A-Za-z0-9.:-][A-Za-z0-9._:-]{0,63}")

LevelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-][A-Za-z0-9._:-]{0,63}$")]
"""One topic level of ours: no `+ # / $`, no NUL, no space, and no leading `_`, which marks shared branches."""


class TopicRefused(CallerError):
    """A topic, or a name for one of its levels, outside the scheme."""


class Channel(StrEnum):
    """What a topic carries."""

    EVENTS = "evt"
    STATE = "state"
    RECEIPTS = "ack"
    CONFIG = "cfg"
    PACKS = "dat"
    COMMANDS = "cmd"
    PROBE = "probe"


# Per channel: the patterns that what follows the channel may have, level by level ("*" is any legal level).
_TAILS: Final[dict[Channel, tuple[tuple[str, ...], ...]]] = {
    Channel.EVENTS: (("*",),),
    Channel.STATE: ((),),
    Channel.RECEIPTS: ((),),
    Channel.CONFIG: (("desired",), ("reported",)),
    Channel.PACKS: (("*",), ("*", "*", "*")),
    Channel.COMMANDS: (("*",), ("*", "res", "*")),
    Channel.PROBE: ((),),
}


@dataclass(frozen=True, slots=True)
class DeviceName:
    """One agent among all: its site and its device id, both one topic level."""

    site: str
    device: str

    def __post_init__(self) -> None:
        _check_level(self.site, "site id")
        _check_level(self.device, "device id")

    def topic(self, channel: Channel, *tail: str) -> str:
        """The topic of this device on a channel, e.g. `topic(Channel.EVENTS, "sales")`."""
        return str(Topic(self.site, self.device, channel, tail))

    def source(self, producer: str) -> str:
        """The CloudEvents `source` of one of this device's producers."""
        return f"/{self.site}/{self.device}/{_check_level(producer, 'producer name')}"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the scheme. A market's topic has site `_market` and the market in `device`."""

    site: str
    device: str
    channel: Channel
    tail: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.site == MARKET_LEVEL:
            if self.channel is not Channel.PACKS:
                raise TopicRefused(f"a market has no {self.channel} topics, only {Channel.PACKS}")
        else:
            _check_level(self.site, "site id")
        _check_level(self.device, "device id")
        for level in self.tail:
            _check_level(level, "topic level")
        if not any(_fits(self.tail, pattern) for pattern in _TAILS[self.channel]):
            raise TopicRefused(f"{self.channel} topics do not end in {'/'.join(self.tail) or 'nothing'}")

    def __str__(self) -> str:
        return "/".join((ROOT, self.site, self.device, self.channel, *self.tail))


def parse_topic(text: str) -> Topic:
    """The parts of a topic.

    Raises:
        TopicRefused: when it is none of ours.
    """
    levels = text.split("/")
    if len(levels) < 5 or "/".join(levels[:2]) != ROOT:
        raise TopicRefused(f"topic {text[:200]!r} does not begin with {ROOT}/SITE/DEVICE/CHANNEL")
    try:
        channel = Channel(levels[4])
    except ValueError:
        raise TopicRefused(f"topic {text[:200]!r} has an unknown channel {levels[4][:40]!r}") from None
    return Topic(levels[2], levels[3], channel, tuple(levels[5:]))


def device_filter(channel: Channel) -> str:
    """The subscription that sees one channel of every device, e.g. `sf/v1/+/+/evt/#`."""
    return f"{ROOT}/+/+/{channel}/#"


def receipt_filter(name: DeviceName) -> str:
    """The subscription for this device's receipts."""
    return name.topic(Channel.RECEIPTS)


def _fits(tail: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(tail) == len(pattern) and all(want in ("*", level) for want, level in zip(pattern, tail, strict=True))


def _check_level(text: str, what: str) -> str:
    if not _LEVEL.fullmatch(text):
        raise TopicRefused(
            f"{what} {text[:80]!r}: expected 1 to 64 letters, digits or . : - _ (not first), as it is one topic level"
        )
    return text
