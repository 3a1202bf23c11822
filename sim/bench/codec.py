"""The frame codec at 64 octets, beside what others do with the same octets in the same run."""

from binascii import crc32
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from random import Random
from typing import Any, Final

from agent.clock import Clock
from firmware_bridge._framing import Decoder, encode
from sim.bench.figure import Effort, Figure, per_second, rate

__all__ = ["codec_decode", "codec_encode"]

FRAMES: Final = 1000
FRAME_OCTETS: Final = 64
RUNT_OCTETS: Final = 6
MEGA: Final = 1e6


def codec_decode(effort: Effort, clock: Clock) -> Figure:
    """Octets of frames a second out of a stream of random frames."""
    frames = _frames()
    wire = b"".join(map(encode, frames))
    assert Decoder().feed(wire) == split_decode(wire) == frames
    measured = _Measured(effort, clock)
    ours = measured.mb_per_s(lambda: Decoder().feed(wire))
    pure = measured.mb_per_s(lambda: split_decode(wire))
    return _figure("codec_decode_64", ours, pure, dict(measured.oracles(frames, decodes=True)))


def codec_encode(effort: Effort, clock: Clock) -> Figure:
    """Octets of frames a second, a call for each frame."""
    frames = _frames()
    assert [encode(frame) for frame in frames] == [pure_encode(frame) for frame in frames]
    measured = _Measured(effort, clock)
    ours = measured.mb_per_s(_for_each(frames, encode))
    pure = measured.mb_per_s(_for_each(frames, pure_encode))
    return _figure("codec_encode_64", ours, pure, dict(measured.oracles(frames, decodes=False)))


def split_decode(wire: bytes) -> list[bytes]:
    """The decoder that is fast in pure Python: leaves the work to bytes.split and bytes.replace."""
    found = []
    for part in wire.split(b"\x7e"):
        whole = part.replace(b"\x7d\x5e", b"\x7e").replace(b"\x7d\x5d", b"\x7d") if b"\x7d" in part else part
        content = whole[:-4]
        if len(whole) >= RUNT_OCTETS and crc32(content) == int.from_bytes(whole[-4:], "little"):
            found.append(content)
    return found


def pure_encode(content: bytes) -> bytes:
    """The encoder of the same kind."""
    whole = content + crc32(content).to_bytes(4, "little")
    return b"\x7e" + whole.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e") + b"\x7e"


def _frames() -> list[bytes]:
    random = Random(64)  # noqa: S311 - the same octets in every run
    return [random.randbytes(FRAME_OCTETS) for _ in range(FRAMES)]


def _for_each(items: list[bytes], call: Callable[[bytes], object]) -> Callable[[], object]:
    return lambda: [call(item) for item in items]


def _figure(name: str, ours: float, pure: float, oracles: dict[str, float]) -> Figure:
    ceiling = "cobs" if "cobs" in oracles else max(oracles, key=lambda oracle: oracles[oracle])
    others = ", ".join(f"{oracle} {mb_per_s:,.0f}" for oracle, mb_per_s in oracles.items())
    note = f"ceiling: {ceiling}; {ours / pure:.1f} x pure Python ({pure:,.0f}); same octets, MB/s: {others}"
    return rate(name, ours, "MB/s", oracles[ceiling], note)


class _Measured:
    """Measures calls that each do all frames."""

    def __init__(self, effort: Effort, clock: Clock) -> None:
        self._effort = effort
        self._clock = clock

    def mb_per_s(self, call: Callable[[], object]) -> float:
        return per_second(call, self._clock, self._effort.run_s) * FRAMES * FRAME_OCTETS / MEGA

    def oracles(self, frames: list[bytes], *, decodes: bool) -> Iterator[tuple[str, float]]:
        """What is installed: a C framing, a C HDLC, and the checksum alone."""
        yield "binascii.crc32", self.mb_per_s(_for_each(frames, crc32))
        if find_spec("fastcrc"):
            yield "fastcrc", self.mb_per_s(_for_each(frames, import_module("fastcrc").crc32.iso_hdlc))
        for name, (encodes, decodes_one) in _framings():
            items = [encodes(frame) for frame in frames] if decodes else frames
            yield name, self.mb_per_s(_for_each(items, decodes_one if decodes else encodes))


def _framings() -> Iterator[tuple[str, tuple[Callable[..., Any], Callable[..., Any]]]]:  # Any: packages without types
    if find_spec("cobs"):
        cobs = import_module("cobs.cobs")
        yield "cobs", (cobs.encode, cobs.decode)
    if find_spec("yahdlc"):
        yahdlc = import_module("yahdlc")
        yield "python4yahdlc", (yahdlc.frame_data, yahdlc.get_data)
