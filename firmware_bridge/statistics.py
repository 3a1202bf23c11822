"""Owns the numbers a bridge counts; the names are those of the counters in the compiled station."""

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since the bridge was made; microseconds where the name says so."""

    octets_sent: int
    octets_received: int
    frames_sent: int
    frames_received: int
    runts: int
    giants: int
    damaged: int
    aborted: int
    unknown: int
    links_opened: int
    links_lost: int
    commands_sent: int
    commands_repeated: int
    results_received: int
    repetitions_received: int
    rejects_sent: int
    rejects_received: int
    timer_expiries: int
    round_trip_us: int
    time_out_us: int
    heartbeats_sent: int
    heartbeats_withheld: int
    heartbeats_received: int
    token_stalls: int
    stops_sent: int
    stop_wait_us_max: int
    events_dropped: int
    ports_opened: int
