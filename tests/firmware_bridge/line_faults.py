"""What a bad line does to octets on their way, by name; each kind with a rate."""

from collections.abc import Callable
from random import Random
from typing import Final

from tests.firmware_bridge.line_time import Fault

__all__ = ["FAULTS"]


def flips(random: Random, rate: float) -> Fault:
    def fault(octets: bytes) -> bytes:
        bits = int.from_bytes(octets, "big")
        for _ in range(sum(random.random() < rate for _ in range(len(octets) * 8))):
            bits ^= 1 << random.randrange(len(octets) * 8)
        return bits.to_bytes(len(octets), "big")

    return fault


def losses(random: Random, rate: float) -> Fault:
    return lambda octets: bytes(octet for octet in octets if random.random() >= rate)


def doubles(random: Random, rate: float) -> Fault:
    return lambda octets: b"".join(bytes((octet,)) * (1 + (random.random() < rate)) for octet in octets)


def lost_frames(random: Random, rate: float) -> Fault:
    return lambda octets: b"" if random.random() < rate else octets


def doubled_frames(random: Random, rate: float) -> Fault:
    return lambda octets: octets * (1 + (random.random() < rate))


def bursts(random: Random, rate: float) -> Fault:
    def fault(octets: bytes) -> bytes:
        if random.random() >= rate:
            return octets
        at = random.randrange(len(octets))
        return octets[:at] + random.randbytes(random.randint(1, 300)) + octets[at + random.randint(0, 20) :]

    return fault


FAULTS: Final[dict[str, tuple[Callable[[Random, float], Fault], float]]] = {
    "bits 1e-5": (flips, 1e-5),
    "bits 1e-4": (flips, 1e-4),
    "bits 1e-3": (flips, 1e-3),
    "bits 1e-2": (flips, 1e-2),
    "octets lost": (losses, 3e-3),
    "octets doubled": (doubles, 3e-3),
    "frames lost": (lost_frames, 0.1),
    "frames doubled": (doubled_frames, 0.3),
    "bursts": (bursts, 0.1),
}
