"""Zstandard for batches: its frames, whether they may be used now, and how much goes into one.

A batch is compressed when the ledger's newest receipt says that it reads that, the settings allow it, and this broker
has not refused it. What does not get smaller goes out as it is. No I/O; `compressed` is work for a thread.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.event_types import Stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MAGIC", "PLAIN_BYTES_MAX", "ZSTD", "Compression", "FrameRefused", "compressed", "decompressed"]

ZSTD: Final = "zstd"
"""The content coding's registered name (RFC 9110, 8.4.1; RFC 9659)."""
MAGIC: Final = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1; no JSON begins with it
PLAIN_BYTES_MAX: Final = 1_048_576
"""No frame of ours holds more, so a reader need not unpack more."""

WINDOW_LOG_MAX: Final = 23  # RFC 9659: a reader needs no more than 8 MiB of memory for the window
LEVEL: Final = 1  # of the regular ones the one with the least work, which the shop's own needs the processor for
MARGIN: Final = 0.85  # the next batch may compress less: one that comes out too large has to be compressed again

_OPTIONS: Final[Mapping[int, int]] = {
    zstd.CompressionParameter.compression_level: LEVEL,
    zstd.CompressionParameter.checksum_flag: 1,
}
_READER_OPTIONS: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}


class FrameRefused(ValueError):
    """What begins like a frame and is none that we read; `str()` says why."""


def compressed(payload: bytes) -> bytes:
    """One frame, with its content's size and checksum."""
    return zstd.compress(payload, options=_OPTIONS)


def decompressed(frame: bytes, *, bytes_max: int = PLAIN_BYTES_MAX) -> bytes:
    """What one frame holds; never makes more than `bytes_max` and a few kilobytes of it.

    Raises:
        FrameRefused: damaged, cut, with something behind it, or it holds more.
    """
    reader = zstd.ZstdDecompressor(options=_READER_OPTIONS)
    try:
        content = reader.decompress(frame, bytes_max + 1)
    except zstd.ZstdError as error:
        raise FrameRefused(f"not readable as zstd: {error}") from None
    if len(content) > bytes_max:
        raise FrameRefused(f"a zstd frame that holds more than {bytes_max:,} bytes")
    if not reader.eof:
        raise FrameRefused("a zstd frame that was cut off")
    if reader.unused_data:
        raise FrameRefused(f"{len(reader.unused_data):,} bytes behind the end of a zstd frame")
    return content


@dataclass(slots=True)
class Compression:
    """What the outbox knows of it. `allowed` is what the settings say."""

    allowed: bool
    accepted: bool = False
    """Whether the ledger's newest receipt says that it reads zstd."""
    refused: bool = False
    """Whether the broker, or what is before it, does not take a compressed payload on this connection."""
    plain_bytes: int = 0
    """Of all batches so far, before compression."""
    sent_bytes: int = 0
    """Of the same batches, as they were sent."""
    _ratios: dict[Stream, float] = field(default_factory=dict)

    @property
    def encoding(self) -> str:
        """The content coding to use now; empty for none."""
        return ZSTD if self.allowed and self.accepted and not self.refused else ""

    def plain_bytes_max(self, stream: Stream, sent_bytes_max: int) -> int:
        """How much of a stream's events to put into a batch that is to be sent in so many bytes."""
        return max(sent_bytes_max, min(PLAIN_BYTES_MAX, int(sent_bytes_max * MARGIN * self._ratios.get(stream, 1.0))))

    def suspect_answered(self, encoding: str) -> None:
        """What connections broke over got through in this form: if plain, they may have broken over its encoding."""
        self.refused |= self.encoding != "" and not encoding

    def sent(self, stream: Stream, plain_bytes: int, sent_bytes: int, *, full: bool) -> None:
        """A batch went out; one that is `full`, about as large as it was to be, tells how the next will do."""
        self.plain_bytes += plain_bytes
        self.sent_bytes += sent_bytes
        if full:
            self._ratios[stream] = plain_bytes / sent_bytes
