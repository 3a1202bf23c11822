"""The settings model: its defaults run, its bounds hold, and contradictions are refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.settings import ApiSettings, ClockSettings, LinkSettings, Settings, SiteSettings, is_loopback
from agent.settings_fields import settings_fields


def test_the_defaults_are_valid_and_listen_and_speak_only_on_this_machine() -> None:
    settings = Settings()
    assert Settings.model_validate(settings.model_dump()) == settings
    assert is_loopback(settings.link.host)
    assert (settings.api.tcp_port, settings.api.lan_host) == (0, "")


def test_settings_are_frozen_at_every_level() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.log_level = "debug"  # type: ignore[misc]  # what this test is about
    with pytest.raises(ValidationError, match="frozen"):
        settings.link.port = 1  # type: ignore[misc]  # what this test is about


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_plaintext_is_fine_on_this_machine(host: str) -> None:
    assert is_loopback(host)
    assert LinkSettings(host=host).tls is False


@pytest.mark.case("I5")
@pytest.mark.parametrize(
    "host", ["mqtt.example.com", "10.0.0.1", "0.0.0.0", "::", "localhost.example.com", "127.0.0.1."]
)
def test_plaintext_to_another_machine_is_refused(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ValidationError, match="off for a broker beyond this machine"):
        LinkSettings(host=host)
    assert LinkSettings(host=host, tls=True).tls
    assert not LinkSettings(host=host, enabled=False).enabled


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"certificate_file": "a"}, "missing, though certificate_file is set"),
        ({"key_file": "a"}, "missing, though key_file is set"),
        ({"certificate_file": "a", "key_file": "b", "tls": False}, "set, though tls is off"),
        ({"crl_file": "a", "tls": False}, "set, though tls is off"),
    ],
)
def test_a_certificate_needs_its_key_and_tls(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        LinkSettings.model_validate({"tls": True} | given)


def test_the_first_back_off_is_not_above_the_last() -> None:
    assert LinkSettings(backoff_min_s=5, backoff_max_s=5)
    with pytest.raises(ValidationError, match="more than backoff_max_s"):
        LinkSettings(backoff_min_s=5.1, backoff_max_s=5)


@pytest.mark.parametrize("missing", ["lan_certificate_file", "lan_key_file"])
def test_the_lan_listener_needs_certificate_and_key(missing: str) -> None:
    files = {"lan_certificate_file": "lan.crt", "lan_key_file": "lan.key"}
    assert ApiSettings(lan_host="192.168.1.10", **files)
    with pytest.raises(ValidationError, match="missing, though lan_host is set"):
        ApiSettings(lan_host="192.168.1.10", **{**files, missing: ""})


def test_a_faster_shop_clock_needs_its_start() -> None:
    noon = datetime(2017, 3, 5, 12, tzinfo=UTC)
    assert ClockSettings(speed=60, starts_at=noon).starts_at == noon
    assert ClockSettings(starts_at=noon).speed == 1
    with pytest.raises(ValidationError, match="missing, though speed is not 1"):
        ClockSettings(speed=60)
    with pytest.raises(ValidationError, match="timezone"):
        ClockSettings(starts_at=noon.replace(tzinfo=None))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata"])
def test_time_zones_have_iana_names(zone: str) -> None:
    assert SiteSettings(time_zone=zone).time_zone == zone


@pytest.mark.parametrize(
    "zone", ["", "Berlin", "Europe", "../../etc/passwd", "/etc/localtime", "Europe/Berlin\x00", "CEST"]
)
def test_other_time_zones_are_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="unknown time zone"):
        SiteSettings(time_zone=zone)


@pytest.mark.parametrize("text", ["4:00", "24:00", "04:60", "04:00:00", "", "\u0660\u0664:00"])
def test_a_business_day_starts_at_a_time_of_day(text: str) -> None:
    with pytest.raises(ValidationError):
        SiteSettings(day_starts_at=text)


def test_file_names_start_at_the_settings_folder() -> None:
    def link(name: str, context: dict[str, Any] | None) -> str:  # Any: pydantic's
        return LinkSettings.model_validate({"ca_file": name}, context=context).ca_file

    assert link("ca.pem", {"folder": Path("/etc/x")}) == "/etc/x/ca.pem"
    assert link("/ca.pem", {"folder": Path("/etc/x")}) == "/ca.pem"
    assert link("", {"folder": Path("/etc/x")}) == ""
    assert link("ca.pem", {"folder": None}) == link("ca.pem", None) == "ca.pem"


def number_fields() -> list[tuple[str, float]]:
    """Each numeric key with each of its bounds."""
    return [
        (key, getattr(item, bound))
        for key, field in settings_fields().items()
        for item in field.info.metadata
        for bound in ("ge", "gt", "le")
        if hasattr(item, bound)
    ]


@pytest.mark.parametrize(("key", "bound"), number_fields())
def test_every_bound_holds(key: str, bound: float) -> None:
    section, name = key.split(".")
    field = settings_fields()[key]
    beyond = bound + 1 if any(getattr(item, "le", None) == bound for item in field.info.metadata) else bound - 1
    with pytest.raises(ValidationError, match=r"should be (greater|less)"):
        Settings.model_validate({section: {name: beyond}})


def test_every_number_has_bounds() -> None:
    open_ended = {"clock.origin_s"}
    bounded = {key for key, _ in number_fields()}
    numbers = {key for key, field in settings_fields().items() if field.kind in (int, float)}
    assert bounded == numbers
    capped = {key for key, bound in number_fields() if bound > settings_fields()[key].info.default}
    assert numbers - capped == open_ended


def test_the_demo_clock_covers_a_day() -> None:
    assert ClockSettings(speed=100_000, starts_at=datetime(2017, 3, 5, tzinfo=UTC) + timedelta(days=1))
