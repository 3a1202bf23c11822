"""The one settings model: every limit with its unit. Nothing else reads the environment or a config file."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from agent.event_model import Stream
from agent.topics import LevelName

__all__ = [
    "ApiSettings",
    "ClockSettings",
    "DecideSettings",
    "DeviceSettings",
    "EventSettings",
    "LinkSettings",
    "LogSettings",
    "Section",
    "Settings",
    "SiteSettings",
    "VehicleSettings",
    "is_loopback",
]

MEBIBYTE: Final = 1_048_576


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is a typo, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):  # unknown, not a zone name at all, a folder of zones
        raise PydanticCustomError("time_zone", "unknown time zone") from None


def _streams(names: str) -> frozenset[Stream]:
    return frozenset(Stream(name.strip()) for name in names.split(",") if name.strip())


def _check_streams(names: str) -> str:
    try:
        _streams(names)
    except ValueError:
        raise PydanticCustomError("streams", "unknown stream") from None
    return names


def _from_settings_folder(name: str, info: ValidationInfo) -> str:
    """A relative file name starts at the folder of the settings file, wherever the agent was started."""
    folder = info.context.get("folder") if info.context else None
    return str(folder / name) if name and isinstance(folder, Path) else name


def _conflict(key: str, problem: str, expected: str) -> PydanticCustomError:
    """Two keys of a section that contradict each other; `key` is the one to look at."""
    return PydanticCustomError("conflict", "{problem}", {"key": key, "problem": problem, "expected": expected})


def _frozen(value: Any) -> Any:  # Any: TOML
    """A TOML list as the tuple that frozen settings hold."""
    return tuple(value) if isinstance(value, list) else value


FileName = Annotated[str, AfterValidator(_from_settings_folder)]
_LEVEL: Final[JsonDict] = {"expected": "1 to 64 letters, digits or . : - _ (_ not first)"}


class SiteSettings(Section):
    """The shop."""

    id: LevelName = Field("store-1", description="id of the shop; one level of every topic", json_schema_extra=_LEVEL)
    time_zone: Annotated[str, AfterValidator(_check_zone)] = Field(
        "UTC",
        description="time zone of the shop",
        examples=["Europe/Berlin"],
        json_schema_extra={"expected": "an IANA time zone name"},
    )
    day_starts_at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = Field(
        "04:00",
        description="local time at which a new business day begins",
        json_schema_extra={"expected": "HH:MM from 00:00 to 23:59"},
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        "EUR", description="currency of the prices", json_schema_extra={"expected": "an ISO 4217 code"}
    )
    market: str = Field(
        "", max_length=40, description="market the shop belongs to; goes into every event", examples=["de"]
    )
    region: str = Field(
        "", max_length=40, description="region the shop belongs to; goes into every event", examples=["north"]
    )


class DeviceSettings(Section):
    """This box."""

    id: LevelName = Field("box-1", description="id of this device within the shop", json_schema_extra=_LEVEL)
    health_interval_s: float = Field(60.0, gt=0, le=86_400, description="how often the device says how it is")


class LogSettings(Section):
    """The event log."""

    queue_events_max: int = Field(
        10_000, ge=100, le=1_000_000, description="events waiting for the writer; more get 429"
    )
    commit_events_max: int = Field(2_000, ge=1, le=100_000, description="events that share one fsync at most")
    size_bytes_max: int = Field(
        4_096 * MEBIBYTE,
        ge=4 * MEBIBYTE,
        le=1_048_576 * MEBIBYTE,
        description="the log file's size limit; beyond it appends get 507",
    )
    reserve_bytes: int = Field(
        64 * MEBIBYTE,
        ge=MEBIBYTE,
        le=65_536 * MEBIBYTE,
        description="room kept for sales, stock, agv and audit: once only that is left, other streams get 507",
    )
    ballast_bytes: int = Field(
        16 * MEBIBYTE,
        ge=0,
        le=1_024 * MEBIBYTE,
        description="room held on the disk, given up when others fill it; a checkpoint needs up to half of it",
    )
    replay_hours: int = Field(72, ge=0, le=8_760, description="how long delivered events stay for a replay")
    dedupe_days: int = Field(35, ge=1, le=400, description="how long a (source, id) pair is remembered")
    retention_interval_s: float = Field(
        60.0, gt=0, le=86_400, description="how often delivered events are cleared away"
    )


class LinkSettings(Section):
    """The MQTT connection to the cloud."""

    enabled: bool = Field(default=True, description="false keeps everything in the log and connects to nothing")
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        max_length=253,
        description="broker host name or address",
        examples=["mqtt.example.com"],
    )
    port: int = Field(1883, ge=1, le=65_535, description="broker port; 8883 is usual with TLS")
    tls: bool = Field(default=False, description="TLS; may be off only for a loopback broker", examples=[True])
    ca_file: FileName = Field("", description="PEM bundle to trust instead of the system's", examples=["ca.pem"])
    crl_file: FileName = Field(
        "",
        description="PEM revocation lists of all of those authorities; without it revocation is not checked",
        examples=["crl.pem"],
    )
    certificate_file: FileName = Field(
        "", description="this device's PEM certificate chain, if the broker wants one", examples=["device.crt"]
    )
    key_file: FileName = Field(
        "", description="its PEM private key; not encrypted, not readable by others", examples=["device.key"]
    )
    certificate_name: str = Field(
        "{site}/{device}",
        max_length=256,
        description="common name that its certificate must have; empty takes any",
        examples=["{device}.{site}.example.com"],
    )
    username: str = Field(
        "", max_length=256, description="MQTT user name, if the broker wants one", examples=["store-1"]
    )
    password_file: FileName = Field(
        "", description="file that holds the MQTT password; not readable by others", examples=["mqtt.password"]
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="MQTT version; auto is 5, and 3.1.1 for a broker without it (refusals are then not seen)"
    )
    keepalive_s: int = Field(30, ge=5, le=3_600, description="MQTT keep-alive")
    connect_timeout_s: float = Field(10.0, gt=0, le=120, description="until CONNACK")
    puback_timeout_s: float = Field(20.0, gt=0, le=300, description="without a PUBACK for this long, reconnect")
    backoff_min_s: float = Field(0.5, gt=0, le=60, description="first ceiling of the jittered wait before a reconnect")
    backoff_max_s: float = Field(60.0, gt=0, le=3_600, description="last ceiling of that wait")
    connect_interval_s: float = Field(1.0, ge=0, le=60, description="at least this between two CONNECTs of a client")
    window_publishes: int = Field(20, ge=1, le=1_000, description="publishes without PUBACK at a time")
    batch_events_max: int = Field(1_000, ge=1, le=10_000, description="events in one publish")
    batch_bytes_max: int = Field(120_000, ge=1_024, le=MEBIBYTE, description="bytes in one publish")
    batching: Literal["on", "off"] = Field(
        "on", description="off sends each event in a publish of its own, as the MQTT binding of CloudEvents has it"
    )
    compression: Literal["auto", "off"] = Field(
        "auto", description="auto compresses batches for a ledger that says it reads that; off never does"
    )
    linger_s: float = Field(0.02, ge=0, le=10, description="at least this between two small batches of a stream")
    publishes_per_s_max: float = Field(
        0.0, ge=0, le=10_000, description="publishes a second; 0 is no cap (AWS IoT takes 100 of a connection)"
    )
    catch_up_spread_s: float = Field(
        5.0, ge=0, le=600, description="after an outage, catching up begins at random within this time"
    )
    strict_order: Annotated[str, AfterValidator(_check_streams)] = Field(
        "sales, stock, agv, audit",
        max_length=200,
        description="streams whose new events never pass by their own backlog",
        json_schema_extra={"expected": "names of streams with commas between"},
    )
    park_after_tries: int = Field(
        5, ge=1, le=1_000, description="refusals (not authorized, invalid, …) after which a batch is left behind"
    )
    parked_retry_s: float = Field(
        3_600.0, ge=0, le=604_800, description="how often what is left behind is tried again; 0 is only when asked"
    )
    unheard: Literal["accept", "hold"] = Field(
        "accept", description="what the broker takes though nobody subscribes: delivered, or to be sent again"
    )
    receipt_wait_s: float = Field(1.0, ge=0, le=30, description="wait for the ledger's retained receipt on connect")
    state_interval_s: float = Field(15.0, gt=0, le=3_600, description="how often the retained state is renewed")

    @property
    def ordered(self) -> frozenset[Stream]:
        """The streams of `strict_order`."""
        return _streams(self.strict_order)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.enabled and not self.tls and not is_loopback(self.host):
            raise _conflict("tls", "off for a broker beyond this machine", "tls = true (plaintext only to loopback)")
        for key in ("crl_file", "certificate_file"):
            if getattr(self, key) and not self.tls:
                raise _conflict(key, "set, though tls is off", "tls = true")
        if bool(self.certificate_file) != bool(self.key_file):
            missing, given = ("key_file", "certificate_file")[:: 1 if self.certificate_file else -1]
            raise _conflict(missing, f"missing, though {given} is set", "both, or none of the two")
        if self.backoff_min_s > self.backoff_max_s:
            raise _conflict("backoff_min_s", "more than backoff_max_s", "at most backoff_max_s")
        return self


class EventSettings(Section):
    """Event types beyond the built-in ones."""

    types_folder: FileName = Field(
        "", description="folder of JSON Schema files, one for each event type of this site", examples=["event-types"]
    )
    unknown_types: Literal["refuse", "keep"] = Field(
        "refuse", description="keep: events of types unknown here are stored and forwarded unread"
    )
    unknown_stream: Literal["sales", "stock", "kiosk", "touch", "health", "sensor"] = Field(
        "sensor", description="stream of unknown types that are kept; sales and stock are never shed"
    )
    keep_refused_days: int = Field(
        0, ge=0, le=30, description="days to keep bodies of refused events, to find a producer's fault; 0 keeps none"
    )


class ApiSettings(Section):
    """The local HTTP API. The Unix socket is always there."""

    tcp_port: int = Field(
        0, ge=0, le=65_535, description="loopback TCP port for producers with a token; 0 is off", examples=[8080]
    )
    lan_host: str = Field(
        "", max_length=253, description="address of the LAN listener (TLS); empty is off", examples=["192.168.1.10"]
    )
    lan_port: int = Field(8443, ge=1, le=65_535, description="port of the LAN listener")
    lan_certificate_file: FileName = Field(
        "", description="PEM certificate chain of the LAN listener", examples=["lan.crt"]
    )
    lan_key_file: FileName = Field(
        "", description="PEM private key of the LAN listener; not readable by others", examples=["lan.key"]
    )
    request_bytes_max: int = Field(4 * MEBIBYTE, ge=1_024, le=64 * MEBIBYTE, description="largest request body")
    producer_events_per_s: int = Field(2_000, ge=1, le=1_000_000, description="per producer; beyond it 429")
    till_request_ttl_s: float = Field(10.0, gt=0, le=600, description="how long a till has to answer a request")
    sse_clients_max: int = Field(64, ge=1, le=10_000, description="open event streams")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.lan_host:
            for key in ("lan_certificate_file", "lan_key_file"):
                if not getattr(self, key):
                    raise _conflict(
                        key, "missing, though lan_host is set", "a PEM file, as the LAN listener is TLS only"
                    )
        return self


class DecideSettings(Section):
    """Suggestions at the till."""

    enabled: bool = Field(default=True, description="false learns nothing and suggests nothing, which saves memory")


class ClockSettings(Section):
    """The shop clock. `speed` other than 1 is for simulations: it scales what happened when, never a time-out."""

    speed: float = Field(1.0, gt=0, le=100_000, description="how much faster than real time the shop's clock runs")
    starts_at: AwareDatetime | None = Field(
        None,
        description="shop time when the machine's monotonic clock read origin_s; needed when speed is not 1",
        examples=["2017-03-05T08:00:00Z"],
        json_schema_extra={"expected": "a date and time with its offset, without quotes"},
    )
    origin_s: float = Field(0.0, ge=0, description="reading of the machine's monotonic clock at starts_at")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.speed != 1.0 and self.starts_at is None:
            raise _conflict("starts_at", "missing, though speed is not 1", "the shop time at origin_s")
        return self


class VehicleSettings(Section):
    """One AGV that hangs on a serial line of this box. Write the section once for each."""

    id: LevelName = Field(description="name of the vehicle in this shop", examples=["agv-1"], json_schema_extra=_LEVEL)
    manufacturer: Annotated[str, Field(pattern=r"^[^/+#$\x00-\x1f]{1,64}$")] = Field(
        description="VDA 5050 manufacturer, one level of its topics",
        examples=["acme"],
        json_schema_extra={"expected": "1 to 64 characters without / + # $"},
    )
    serial_number: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = Field(
        description="VDA 5050 serial number, one level of its topics",
        examples=["0042"],
        json_schema_extra={"expected": "1 to 64 letters, digits or _ . : -"},
    )
    port: str = Field(
        min_length=1,
        max_length=255,
        description="its serial port; the name by id stays the same over a replug",
        examples=["/dev/serial/by-id/usb-FTDI_FT232R_A50285BI-if00-port0"],
    )
    baud: Literal[9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 1_000_000] = Field(
        115_200, description="speed of the serial line"
    )
    bridge: Literal["agent", "process"] = Field(
        "agent", description="who serves that line: the agent itself, or `storeforward bridge` beside it"
    )
    vda5050: Literal["2.0.0", "2.1.0"] = Field("2.0.0", description="VDA 5050 version that fleet control speaks")
    interface: Annotated[str, Field(pattern=r"^[^/+#$\x00-\x1f]{1,64}$")] = Field(
        "uagv",
        description="VDA 5050 interface name, first level of its topics",
        json_schema_extra={"expected": "1 to 64 characters without / + # $"},
    )
    map_id: str = Field("shop", min_length=1, max_length=64, description="the map that its positions are on")
    speed_m_s_max: float = Field(1.0, gt=0, le=10, description="fastest that it is told to drive, in metres a second")
    state_interval_s: float = Field(30.0, gt=0, le=30, description="how often the state is told when nothing happens")
    visualization_interval_s: float = Field(
        0.0, ge=0, le=60, description="how often the position is published on its own topic; 0 is never"
    )

    @property
    def topic_levels(self) -> str:
        """What its topics begin with (VDA 5050 2.1, 6.3): no other vehicle's may be the same."""
        return "/".join((self.interface, f"v{self.vda5050[0]}", self.manufacturer, self.serial_number))


_ONE_EACH: Final = {"id": "id", "topic_levels": "manufacturer and serial number", "port": "port"}
"""What no two vehicles may share, in words."""


class Settings(Section):
    """All settings of one agent. The defaults run without a file."""

    site: SiteSettings = SiteSettings()
    device: DeviceSettings = DeviceSettings()
    log: LogSettings = LogSettings()
    link: LinkSettings = LinkSettings()
    events: EventSettings = EventSettings()
    api: ApiSettings = ApiSettings()
    decide: DecideSettings = DecideSettings()
    clock: ClockSettings = ClockSettings()
    vehicles: Annotated[tuple[VehicleSettings, ...], BeforeValidator(_frozen), Field(max_length=64)] = ()
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="what reaches stdout")

    @model_validator(mode="after")
    def _check_vehicles(self) -> Self:
        for name, what in _ONE_EACH.items():
            first: dict[object, int] = {}
            for index, vehicle in enumerate(self.vehicles):
                before = first.setdefault(getattr(vehicle, name), index)
                if before != index:
                    key = name if name in VehicleSettings.model_fields else "serial_number"
                    problem = f"same {what} as vehicles[{before}]"
                    raise _conflict(f"vehicles.{index}.{key}", problem, f"another {what} for each vehicle")
        return self
