"""Layers of settings, where each value came from, and refusals that say file:line, key, problem, expected, example."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import settings_file
from agent.errors import Problem, SettingsRefused
from agent.settings import Settings
from agent.settings_fields import settings_fields
from agent.settings_file import default_settings_file, load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.toml"


def refusal(file: Path | None, environ: Mapping[str, str] | None = None) -> list[Problem]:
    with pytest.raises(SettingsRefused) as refused:
        load_settings(file, environ or {})
    return list(refused.value.problems)


# --- layers -----------------------------------------------------------------------------------------------


def test_without_file_and_environment_there_are_the_defaults() -> None:
    loaded = load_settings(None, {"PATH": "/bin", "STOREFORWARD": "x", "STOREFORWARD_LINK": "y"})
    assert loaded.settings == Settings()
    assert set(loaded.origin) == set(settings_fields())
    assert set(loaded.origin.values()) == {"default"}


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(file: Path) -> None:
    file.write_text('log_level = "warning"\n\n[link]\nport = 1884\nkeepalive_s = 20\n')
    loaded = load_settings(file, {"STOREFORWARD__LINK__PORT": "1885", "STOREFORWARD__SITE__ID": "42"})
    assert loaded.settings.log_level == "warning"
    assert (loaded.settings.link.port, loaded.settings.link.keepalive_s, loaded.settings.link.tls) == (1885, 20, False)
    assert loaded.settings.site.id == "42"
    assert loaded.origin["log_level"] == f"{file}:1"
    assert loaded.origin["link.port"] == "environment STOREFORWARD__LINK__PORT"
    assert loaded.origin["link.keepalive_s"] == f"{file}:5"
    assert loaded.origin["link.tls"] == "default"


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("STOREFORWARD__LOG_LEVEL", "debug", "log_level", "debug"),
        ("STOREFORWARD__LINK__ENABLED", "false", "link.enabled", False),
        ("STOREFORWARD__LINK__LINGER_S", "0.5", "link.linger_s", 0.5),
        ("STOREFORWARD__LINK__LINGER_S", "1", "link.linger_s", 1.0),
        ("STOREFORWARD__SITE__MARKET", "", "site.market", ""),
        ("STOREFORWARD__SITE__MARKET", "007", "site.market", "007"),
        (
            "STOREFORWARD__CLOCK__STARTS_AT",
            "2017-03-05T09:00:00+01:00",
            "clock.starts_at",
            datetime(2017, 3, 5, 8, tzinfo=UTC),
        ),
    ],
)
def test_the_environment_can_say_every_kind_of_value(variable: str, text: str, key: str, value: object) -> None:
    loaded = load_settings(None, {variable: text})
    found: object = loaded.settings
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert loaded.origin[key] == f"environment {variable}"


@pytest.mark.parametrize(
    "text",
    ["[link]\nport = 1884\n", "link.port = 1884", "link = { port = 1884 }", '\ufeff[link]\r\n"port" = 1884\r\n'],
)
def test_toml_may_be_written_as_one_likes(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    loaded = load_settings(file, {})
    assert loaded.settings.link.port == 1884
    assert loaded.origin["link.port"].startswith(f"{file}:")


def test_relative_file_names_start_at_the_settings_file(file: Path) -> None:
    file.write_text('[link]\nca_file = "certs/ca.pem"\n')
    loaded = load_settings(file, {"STOREFORWARD__LINK__PASSWORD_FILE": "password"})
    assert loaded.settings.link.ca_file == str(file.parent / "certs/ca.pem")
    assert loaded.settings.link.password_file == str(file.parent / "password")
    assert loaded.settings.api.lan_key_file == ""


def test_the_packaged_file_is_the_default_where_there_is_one(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setattr(settings_file, "PACKAGED_FILE", file)
    assert default_settings_file() is None
    file.touch()
    assert default_settings_file() == file


VEHICLE = '[[vehicles]]\nid = "agv-1"\nmanufacturer = "acme"\nserial_number = "1"\nport = "/dev/ttyUSB0"\n'


def test_vehicles_are_a_list_of_sections(file: Path) -> None:
    file.write_text(VEHICLE + "\n" + VEHICLE.replace("1", "2").replace("USB0", "USB1") + 'vda5050 = "2.1.0"\n')
    loaded = load_settings(file, {})
    assert [(one.id, one.vda5050) for one in loaded.settings.vehicles] == [("agv-1", "2.0.0"), ("agv-2", "2.1.0")]
    assert loaded.origin["vehicles[1].port"] == f"{file}:11"
    assert loaded.origin["vehicles[1].baud"] == "default"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            VEHICLE.replace("[[", "[").replace("]]", "]"),
            ":1 vehicles: a table; expected a section for each",
        ),
        (VEHICLE.replace("vehicles", "vehicle"), ":1 vehicle: unknown section; expected [[vehicles]]"),
        ("vehicles = 1", ":1 vehicles: a whole number; expected a section for each; example [[vehicles]]"),
        ("vehicles = [1]", ":1 vehicles[0]: a whole number; expected a section for each; example [[vehicles]]"),
        ('[[vehicles]]\nid = "agv-1"', ":1 vehicles[0].port: missing; expected a text of 1 to 255 characters"),
        (VEHICLE + "bauds = 9600", ":6 vehicles[0].bauds: unknown key; expected baud; example baud = 115200"),
        (VEHICLE + "baud = 9601", ":6 vehicles[0].baud: a whole number; expected one of 9600, 19200"),
        (
            VEHICLE.replace("acme", "ac/me"),
            ":3 vehicles[0].manufacturer: not in this form; expected 1 to 64",
        ),
        (VEHICLE.replace('"1"', '"a b"'), ":4 vehicles[0].serial_number: not in this form; expected 1 to 64 letters"),
        (VEHICLE * 2, ":7 vehicles[1].id: same id as vehicles[0]; expected another id for each vehicle"),
        (
            VEHICLE + VEHICLE.replace("agv-1", "agv-2"),
            ":9 vehicles[1].serial_number: same manufacturer and serial number as vehicles[0]; expected another",
        ),
        (
            VEHICLE + VEHICLE.replace("1", "2"),
            ":10 vehicles[1].port: same port as vehicles[0]; expected another port for each vehicle",
        ),
        (
            "".join(VEHICLE.replace("1", f"{n}").replace("USB0", f"USB{n}") for n in range(65)),
            ":1 vehicles: too many; expected at most 64",
        ),
    ],
)
def test_what_is_wrong_with_vehicles_is_told_with_its_line(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    assert any(str(problem).startswith(f"{file}{message}") for problem in refusal(file)), refusal(file)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[link]\nprot = 1", ":2 link.prot: unknown key; expected port; example port = 1883"),
        ("tcp_port = 1", ":1 tcp_port: unknown key; expected it in [api]"),
        ("[link]\nlog_level = 'info'", ":2 link.log_level: unknown key; expected it before the first [section]"),
        ("[device]\nzzz = 1", ":2 device.zzz: unknown key; expected one of id"),
        (
            "zzz = 1",
            ":1 zzz: unknown key; expected one of log_level, [api], [clock], [decide], [device], [events], [link], ",
        ),
        ("\n[lnik]\nport = 1", ":2 lnik: unknown section; expected [link]"),
        ("[zzz]", ":1 zzz: unknown section; expected one of log_level, [api]"),
        ("[link.tls]\nx = 1", ":1 link.tls: a table; expected true or false; example tls = true"),
        ("link = 3", ":1 link: a whole number; expected a table; example [link]"),
        ("[[link]]", ":1 link: a list; expected a table; example [link]"),
        ('[link]\nport = "1883"', ":2 link.port: a text; expected a whole number from 1 to 65535; example port = 1883"),
        ("[link]\nport = 1883.0", ":2 link.port: a number; expected a whole number"),
        ("[link]\nport = true", ":2 link.port: true or false; expected a whole number"),
        ("[link]\nport = [1]", ":2 link.port: a list; expected a whole number"),
        ("[link]\nport = 2017-03-05", ":2 link.port: a date or time; expected a whole number"),
        ("[link]\nport = 0", ":2 link.port: out of range; expected a whole number from 1 to 65535"),
        ("[link]\nport = 65536", ":2 link.port: out of range"),
        ("[link]\nlinger_s = nan", ":2 link.linger_s: not a finite number; expected a number from 0 to 10"),
        ("[link]\nlinger_s = -0.1", ":2 link.linger_s: out of range"),
        ("[link]\nkeepalive_s = 99999999999999999999", ":2 link.keepalive_s: out of range"),
        ("[link]\nconnect_timeout_s = 0.0", ":2 link.connect_timeout_s: out of range; expected a number above 0"),
        ("[link]\ntls = 1", ":2 link.tls: a whole number; expected true or false; example tls = true"),
        ('[link]\nhost = ""', ":2 link.host: empty; expected a text of 1 to 253 characters"),
        ('[site]\nmarket = "' + "x" * 41 + '"', ":2 site.market: too long; expected a text of 0 to 40 characters"),
        ('[site]\nid = "a/b"', ":2 site.id: not in this form; expected 1 to 64 letters, digits"),
        ('[site]\ntime_zone = "Berlin"', ":2 site.time_zone: unknown time zone; expected an IANA time zone name"),
        ('log_level = "loud"', ":1 log_level: not one of the choices; expected one of debug, info, warning, error"),
        ("log_level = 3", ":1 log_level: a whole number; expected one of debug"),
        ("[clock]\nstarts_at = '2017-03-05T08:00:00Z'", ":2 clock.starts_at: a text; expected a date and time with"),
        ("[clock]\nstarts_at = 2017-03-05T08:00:00", ":2 clock.starts_at: a time without its offset; expected a date"),
        ("[clock]\nstarts_at = 2017-03-05", ":2 clock.starts_at: a date or time; expected a date and time with"),
        ('[link]\n\nhost = "b.example"', ":1 link.tls: off for a broker beyond this machine; expected tls = true"),
        ('[link]\nhost = "b.example"\ntls = false', ":3 link.tls: off for a broker beyond this machine"),
        ("[link]\nbackoff_min_s = 9\nbackoff_max_s = 8", ":2 link.backoff_min_s: more than backoff_max_s"),
        ('[api]\nlan_host = "::"', ":1 api.lan_certificate_file: missing, though lan_host is set; expected a PEM file"),
        ("[clock]\nspeed = 2", ":1 clock.starts_at: missing, though speed is not 1; expected the shop time"),
        ('"link.port" = 3', ":1 link.port: unknown key"),
        ('"a\\nb" = 3', ":1 a?b: unknown key"),
        # what tomllib refuses
        ("[link]\nport = 1\nport = 2", ":3 link.port: set twice, first in line 2; expected each key and section once"),
        ("[link]\nport = 1\n[link]\n", ":3 link: set twice, first in line 1"),
        ("link.port = 1\nlink = 2", ":2 link: set twice, first in line 1"),
        ("link = {port = 1, port = 2}", ":1 link.port: set twice, first in line 1"),
        ("[link]\nport = 18 83", ":2 link.port: not TOML: Expected newline or end of document after a statement"),
        ("[link]\nhost = localhost", ":2 link.host: not TOML: Invalid value; expected key = value, with texts in quo"),
        ("[link]\nport =", ":2 link.port: not TOML: Invalid value"),
        ("[link\nport = 1", ":1 link: not TOML: Expected ']' at the end of a table declaration"),
        ('\n\nx = """y', ":3 x: not TOML: Unterminated string"),
        ("\n= 3", ":2: not TOML: Invalid statement"),
        ("a = " + "[" * 9_999, ": nested too deeply; expected sections with keys"),
        ("a = " + "9" * 9_999, ": a number of too many digits; expected numbers of up to 18 digits"),
    ],
    ids=lambda value: None if len(value) > 80 else repr(value),
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    first = str(refusal(file)[0])
    assert first.startswith(str(file) + message)
    assert "; expected " in first


def test_the_whole_form_of_a_refusal(file: Path) -> None:
    file.write_text("[link]\nport = 0\n")
    with pytest.raises(SettingsRefused) as refused:
        load_settings(file, {})
    assert str(refused.value) == (
        f"{file}:2 link.port: out of range; expected a whole number from 1 to 65535; example port = 1883"
    )


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"STOREFORWARD__LINK__PORT": "http"},
            "environment STOREFORWARD__LINK__PORT link.port: not of this kind; expected a whole number from 1 to 65535",
        ),
        ({"STOREFORWARD__LINK__PORT": "0"}, "environment STOREFORWARD__LINK__PORT link.port: out of range; expected"),
        (
            {"STOREFORWARD__LINK__PORT": ""},
            "environment STOREFORWARD__LINK__PORT link.port: not of this kind; expected",
        ),
        (
            {"STOREFORWARD__LINK__PROT": "1"},
            "environment STOREFORWARD__LINK__PROT: unknown setting; expected STOREFORWARD__LINK__PORT",
        ),
        ({"STOREFORWARD__link__port": "1"}, "environment STOREFORWARD__link__port: unknown setting; expected STOREFO"),
        ({"STOREFORWARD__LINK": "1"}, "environment STOREFORWARD__LINK: unknown setting; expected STOREFORWARD__LINK__"),
        ({"STOREFORWARD__": "1"}, "environment STOREFORWARD__: unknown setting; expected "),
        ({"STOREFORWARD__\U0001f34c" + "Q" * 90: "1"}, "environment STOREFORWARD__"),
        (
            {"STOREFORWARD__LINK__HOST": "b.example"},
            "link.tls: off for a broker beyond this machine; expected tls = tr",
        ),
    ],
)
def test_what_is_wrong_in_the_environment_is_told_with_its_variable(environ: dict[str, str], message: str) -> None:
    assert str(refusal(None, environ)[0]).startswith(message)


def test_the_example_for_a_variable_is_one() -> None:
    (problem,) = refusal(None, {"STOREFORWARD__LINK__PORT": "http"})
    assert problem.expected.endswith("; example STOREFORWARD__LINK__PORT=1883")


def test_an_unlike_variable_is_pointed_to_the_example(file: Path) -> None:
    (problem,) = refusal(None, {"STOREFORWARD__" + "Q" * 90: "1"})
    assert problem.expected == "a key of storeforward config example, such as STOREFORWARD__LOG_LEVEL"


def test_all_problems_are_told_at_once_in_the_order_of_the_file(file: Path) -> None:
    file.write_text("[site]\nid = 1\n[api]\ntcp_port = -1\n[link]\nport = 0\nprot = 1\n")
    found = refusal(file, {"STOREFORWARD__LINK__TLS": "perhaps"})
    assert [problem.path.split()[-1] for problem in found] == [
        "link.tls",
        "site.id",
        "api.tcp_port",
        "link.port",
        "link.prot",
    ]


def test_at_most_20_problems_are_told(file: Path) -> None:
    file.write_text("".join(f"key{number} = 1\n" for number in range(50)))
    assert len(refusal(file)) == 20


def test_the_environment_cannot_repair_a_section_that_is_none(file: Path) -> None:
    file.write_text("link = 3")
    (problem,) = refusal(file, {"STOREFORWARD__LINK__PORT": "1884"})
    assert problem.path == f"{file}:1 link"


def test_no_refusal_repeats_a_value(file: Path) -> None:
    for line in (
        'password = "hunter2"',
        'port = "hunter2"',
        'host = "hunter2"',
        "host = hunter2",
        'ca_file = ["hunter2"]',
    ):
        file.write_text(f"[link]\n{line}\n")
        assert "hunter2" not in str(refusal(file))
    for variable in ("LINK__PORT", "LINK__PASSWORD", "LINK__HOST", "CLOCK__STARTS_AT", "LOG_LEVEL", "SITE__TIME_ZONE"):
        assert "hunter2" not in str(refusal(None, {f"STOREFORWARD__{variable}": "hunter2"}))


def test_a_missing_file_is_told_with_the_way_to_make_one(file: Path) -> None:
    (problem,) = refusal(file)
    assert str(problem) == (
        f"{file}: no such file; expected a TOML file; example storeforward config example > storeforward.toml"
    )


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    assert str(refusal(tmp_path)[0]).startswith(f"{tmp_path}: not readable (Is a directory); expected a TOML file")


def test_a_file_in_another_encoding_is_told_with_its_line(file: Path) -> None:
    file.write_bytes('[site]\nmarket = "Österreich"\n'.encode("latin-1"))
    assert str(refusal(file)[0]) == f"{file}:2: not UTF-8; expected a TOML file in UTF-8"


def test_a_huge_file_is_refused_unread(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(1_048_577)
    assert str(refusal(file)[0]) == f"{file}: too large; expected at most 1,048,576 bytes"


PIECES = """[link] [[link]] port link host . = 1883 "x" ''' { } [ ] , true 2017-03-05T08:00:00Z nan # \\ 0x log_level
    "info" api"""
pieces = st.sampled_from([*PIECES.split(), '"""', "\n", "\n[link]\n", "\ufeff", "\x00", " "])


@given(st.lists(pieces, max_size=14).map("".join) | st.text(max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_loaded_or_refused(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", errors="replace")
    try:
        load_settings(file, {})
    except SettingsRefused as refused:
        assert all(problem.path.startswith(str(file)) for problem in refused.problems)  # noqa: PT017 - either answer is right
