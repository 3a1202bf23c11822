"""What Prometheus can read at /metrics: base units, `_total` for counters, and no ids in labels.

What the API sees is counted here; what the log and the link know is asked of them when somebody looks.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.event_types import Stream
from agent.link import LinkState, LinkStatus
from agent.log import CLOUD, EventLog

__all__ = ["METRICS_MEDIA_TYPE", "LogAndLink", "Metrics"]

METRICS_MEDIA_TYPE: Final = "text/plain"  # Prometheus text format 0.0.4
SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Every measure of one agent, in a registry of its own."""

    def __init__(self, version: str, *sources: Collector) -> None:
        registry = self._registry = CollectorRegistry()
        Info("storeforward_build", "The agent's version", registry=registry).info({"version": version})
        accepted = Counter("storeforward_events_accepted", "Events stored", ["stream"], registry=registry)
        self._accepted = {stream: accepted.labels(stream.value) for stream in Stream}
        self._duplicates = Counter("storeforward_events_duplicate", "Events that were stored before", registry=registry)
        self._rejected = Counter(
            "storeforward_events_rejected",
            "Events refused; a call that could not be read counts as one",
            ["reason"],
            registry=registry,
        )
        self._append = Histogram(
            "storeforward_append_seconds",
            "From handing events to the log to their fsync",
            buckets=SECONDS,
            registry=registry,
        )
        self._decision = Histogram(
            "storeforward_decision_seconds",
            "From a question's arrival to its decision",
            buckets=SECONDS,
            registry=registry,
        )
        self._decisions_late = Counter(
            "storeforward_decisions_late",
            "Decisions that missed their deadline: without suggestions",
            registry=registry,
        )
        self._requests = Counter(
            "storeforward_http_requests", "Calls of the local API", ["method", "route", "status"], registry=registry
        )
        self._streams = Gauge("storeforward_http_streams", "Open event streams of the local API", registry=registry)
        for source in sources:
            registry.register(source)

    def accepted(self, new: Mapping[Stream, int], *, duplicates: int) -> None:
        """Events of one call that were stored."""
        for stream, events in new.items():
            self._accepted[stream].inc(events)
        if duplicates:
            self._duplicates.inc(duplicates)

    def rejected(self, reason: str, *, events: int = 1) -> None:
        """Events of one call that were refused; `reason` is one of the API's fixed codes."""
        self._rejected.labels(reason).inc(events)

    def appended(self, took_s: float) -> None:
        """One call's events are durable."""
        self._append.observe(took_s)

    def decided(self, took_s: float, *, late: bool) -> None:
        """One question was decided on; a late one's answer shows nothing."""
        self._decision.observe(took_s)
        self._decisions_late.inc(late)

    def answered(self, method: str, route: str, status: int) -> None:
        """One call was answered; `route` is the path as declared, without ids."""
        self._requests.labels(method, route, str(status)).inc()

    def streams_open(self, count: int) -> None:
        """So many event streams are open now."""
        self._streams.set(count)

    def text(self) -> bytes:
        """All of it in the Prometheus text format."""
        return generate_latest(self._registry)


class LogAndLink(Collector):
    """What the log and the link know, asked at each look."""

    def __init__(
        self, log: EventLog, link_status: Callable[[], LinkStatus], certificate_ends: Callable[[], datetime | None]
    ) -> None:
        self._log = log
        self._link_status = link_status
        self._certificate_ends = certificate_ends

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        yield from self._log_metrics()
        yield from _link_metrics(self._link_status())
        if ends := self._certificate_ends():
            yield GaugeMetricFamily(
                "storeforward_certificate_expiry_timestamp_seconds",
                "When this device's certificate for the broker ends, in Unix time",
                value=ends.timestamp(),
            )

    def _log_metrics(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("storeforward_queue_depth_events", "Events not yet forwarded", labels=["stream"])
        for stream in Stream:
            waiting.add_metric([stream.value], self._log.waiting(CLOUD, stream))
        yield waiting
        yield GaugeMetricFamily(
            "storeforward_intake_queue_events", "Events submitted and not yet durable", value=self._log.queued_events
        )
        yield CounterMetricFamily(
            "storeforward_events_damaged", "Events whose checksum failed", value=self._log.damaged_events
        )


def _link_metrics(link: LinkStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "storeforward_link_connected", "1 while connected to the broker", value=link.state is LinkState.ONLINE
    )
    yield CounterMetricFamily("storeforward_link_reconnects", "Connections after the first", value=link.reconnects)
    yield GaugeMetricFamily("storeforward_publishes_in_flight", "Publishes without PUBACK", value=link.in_flight)
    yield CounterMetricFamily("storeforward_events_published", "Events handed to the broker", value=link.published)
    yield CounterMetricFamily("storeforward_events_acknowledged", "Events with a PUBACK", value=link.acknowledged)
    yield CounterMetricFamily("storeforward_events_redelivered", "Events handed over again", value=link.redelivered)
    yield CounterMetricFamily(
        "storeforward_link_plain_bytes", "Events handed to the broker, before compression", value=link.plain_bytes
    )
    yield CounterMetricFamily(
        "storeforward_link_sent_bytes", "The same after compression, without MQTT's headers", value=link.sent_bytes
    )
    yield CounterMetricFamily(
        "storeforward_publishes_unheard", "Publishes taken though nobody subscribes", value=link.unheard
    )
    refused = CounterMetricFamily("storeforward_publishes_refused", "PUBACKs that refused", labels=["code"])
    for code, count in link.refused.items():
        refused.add_metric([code], count)
    yield refused
    parked = GaugeMetricFamily(
        "storeforward_events_parked", "Events that the broker does not take", labels=["stream", "code"]
    )
    for one in link.parked:
        parked.add_metric([one.stream.value, f"0x{one.code:02X}"], one.events)
    yield parked
    if link.caught_up_at is not None:
        yield GaugeMetricFamily(
            "storeforward_link_caught_up_timestamp_seconds",
            "When nothing will wait any more, as seen now",
            value=link.caught_up_at.timestamp(),
        )
    if link.publishes_per_s is not None:
        yield GaugeMetricFamily(
            "storeforward_link_publishes_per_second", "How many may leave a second", value=link.publishes_per_s
        )
    puback = GaugeMetricFamily(
        "storeforward_puback_seconds", "From a publish to its PUBACK, over the last ones", labels=["quantile"]
    )
    for quantile, took_ms in (("0.5", link.puback_p50_ms), ("0.99", link.puback_p99_ms)):
        if took_ms is not None:
            puback.add_metric([quantile], took_ms / 1000)
    yield puback
