"""Every key explains itself, truthfully."""

import tomllib

import pytest

from agent.settings import Settings
from agent.settings_fields import repeated_fields, repeated_sections, settings_fields, toml_value
from agent.settings_file import load_settings

KEYS = sorted(settings_fields())


@pytest.mark.parametrize("key", [*KEYS, *repeated_fields()])
def test_every_key_is_described(key: str) -> None:
    field = (settings_fields() | repeated_fields())[key]
    assert field.key == key
    assert field.info.description
    assert field.expected
    assert bool(field.unit) == (field.name.endswith(("_s", "_hours", "_days", "_bytes_max", "_events_max")))


@pytest.mark.parametrize("key", KEYS)
def test_every_default_stands_in_toml(key: str) -> None:
    field = settings_fields()[key]
    if field.default:
        assert tomllib.loads(f"key = {field.default}")["key"] == field.info.default
    else:
        assert field.info.default is None


TOGETHER = {
    "link.host": {"STOREFORWARD__LINK__TLS": "true"},
    "link.crl_file": {"STOREFORWARD__LINK__TLS": "true"},
    "link.certificate_file": {"STOREFORWARD__LINK__TLS": "true", "STOREFORWARD__LINK__KEY_FILE": "b"},
    "link.key_file": {"STOREFORWARD__LINK__TLS": "true", "STOREFORWARD__LINK__CERTIFICATE_FILE": "a"},
    "api.lan_host": {"STOREFORWARD__API__LAN_CERTIFICATE_FILE": "a", "STOREFORWARD__API__LAN_KEY_FILE": "b"},
}


@pytest.mark.parametrize("key", KEYS)
def test_every_example_is_accepted_in_a_file_and_in_the_environment(
    key: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    field = settings_fields()[key]
    environ = TOGETHER.get(key, {})
    file = tmp_path_factory.mktemp("settings") / "store.toml"
    file.write_text((f"[{field.section}]\n" if field.section else "") + field.example)
    loaded = load_settings(file, environ)
    assert loaded.origin[key].startswith(str(file))
    variable, _, value = field.example_variable.partition("=")
    from_environment = load_settings(None, {variable: value, **environ})
    assert from_environment.origin[key] == f"environment {variable}"
    if not key.endswith(("_file", "_folder")):
        section, _, name = key.rpartition(".")
        values = [one.settings.model_dump() for one in (loaded, from_environment)]
        in_file, in_environment = (value[section][name] if section else value[name] for value in values)
        assert in_file == in_environment


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("log_level", "one of debug, info, warning, error"),
        ("link.port", "a whole number from 1 to 65535"),
        ("link.connect_timeout_s", "a number above 0 and at most 120"),
        ("link.tls", "true or false"),
        ("link.host", "a text of 1 to 253 characters"),
        ("link.ca_file", "a text"),
        ("clock.origin_s", "a number of at least 0"),
        ("site.id", "1 to 64 letters, digits or . : - _ (_ not first)"),
    ],
)
def test_what_a_key_may_be_is_said_in_words(key: str, expected: str) -> None:
    assert settings_fields()[key].expected == expected


def test_all_keys_of_the_model_are_there_the_top_ones_first() -> None:
    keys = list(settings_fields())
    tables = Settings().model_dump()
    nested = {f"{section}.{name}" for section, table in tables.items() if isinstance(table, dict) for name in table}
    single = {name for name, value in tables.items() if not isinstance(value, dict)} - {*repeated_sections()}
    assert set(keys) == nested | single
    assert [key for key in keys if "." not in key] == keys[:1]


def test_the_keys_of_repeated_sections_stand_apart() -> None:
    (model,) = repeated_sections().values()
    assert set(repeated_fields()) == {f"vehicles.{name}" for name in model.model_fields}
    assert all(field.repeated for field in repeated_fields().values())


def test_a_moment_is_written_as_toml_has_it() -> None:
    starts_at = Settings.model_validate(
        {"clock": {"starts_at": tomllib.loads("at = 2017-03-05T08:00:00Z")["at"]}}
    ).clock.starts_at
    assert tomllib.loads(f"at = {toml_value(starts_at)}")["at"] == starts_at
