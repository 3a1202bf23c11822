"""Networks by name: how good the line is, and when it is away."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Self

from sim.network.proxy import LineState
from sim.network.quality import PERFECT, LineQuality

__all__ = ["PROFILES", "Phase", "Profile"]


@dataclass(frozen=True, slots=True)
class Phase:
    """So many seconds in one state."""

    state: LineState
    length_s: float


@dataclass(frozen=True, slots=True)
class Profile:
    """One network. Its phases come `times` times, then the line stays up; without phases it always is."""

    name: str
    about: str
    up: LineQuality = PERFECT
    down: LineQuality = PERFECT
    phases: tuple[Phase, ...] = ()
    times: int | None = None
    """None: again and again."""

    def faster(self, factor: float) -> Self:
        """The same network, its phases so many times as short; latency and bandwidth stay."""
        phases = tuple(replace(phase, length_s=phase.length_s / factor) for phase in self.phases)
        return replace(self, phases=phases)


_SATELLITE: Final = LineQuality(latency_s=0.3, jitter_s=0.025, loss=0.02)
_3G: Final = LineQuality(latency_s=0.05, jitter_s=0.005, bits_per_s=250_000, loss=0.02)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                "offline-5x6",
                "5 minutes without a network and 5 with one, six times",
                phases=(Phase(LineState.CUT, 300), Phase(LineState.UP, 300)),
                times=6,
            ),
            Profile("satellite", "600 ms +- 50 there and back, 2 % loss", up=_SATELLITE, down=_SATELLITE),
            Profile("3g", "250 kbit/s, 100 ms +- 10 there and back, 2 % loss", up=_3G, down=_3G),
            Profile(
                "black-hole",
                "60 seconds up, then 60 in which nothing arrives and nobody is told",
                phases=(Phase(LineState.UP, 60), Phase(LineState.BLACK_HOLE, 60)),
            ),
            Profile(
                "flapping",
                "2 seconds up, then cut for 1",
                phases=(Phase(LineState.UP, 2), Phase(LineState.CUT, 1)),
            ),
        )
    }
)
