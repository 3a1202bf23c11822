"""`storeforward config`: the example is complete and true, show tells origins, check tells lines."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.settings import Settings, VehicleSettings
from agent.settings_fields import repeated_fields, settings_fields
from agent.settings_file import load_settings


def storeforward(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, ["config", *arguments], env=environ)


@pytest.fixture(scope="module")
def example() -> str:
    result = storeforward("example")
    assert result.exit_code == 0
    return result.output


def test_the_example_as_it_is_changes_nothing(example: str, tmp_path: Path) -> None:
    (tmp_path / "store.toml").write_text(example)
    loaded = load_settings(tmp_path / "store.toml", {})
    assert loaded.settings == Settings()
    assert set(loaded.origin.values()) == {"default"}


def test_the_example_with_every_key_is_the_defaults(example: str, tmp_path: Path) -> None:
    written = re.sub(r"(?m)^#(\w+ = )", r"\1", example.partition("#[[")[0])
    (tmp_path / "store.toml").write_text(written)
    loaded = load_settings(tmp_path / "store.toml", {})
    assert loaded.settings == Settings()
    left = {key for key, origin in loaded.origin.items() if origin == "default"}
    assert left == {"clock.starts_at"}, "only what has no default is not set"


def test_the_example_has_a_vehicle_whose_keys_are_the_defaults(example: str, tmp_path: Path) -> None:
    written = re.sub(r"(?m)^#(\w+ = |\[\[)", r"\1", example[example.index("#[[") :])
    (tmp_path / "store.toml").write_text(written)
    loaded = load_settings(tmp_path / "store.toml", {})
    (vehicle,) = loaded.settings.vehicles
    needed = {"id", "manufacturer", "serial_number", "port"}
    assert vehicle == VehicleSettings.model_validate(vehicle.model_dump(include=needed))
    assert all(loaded.origin[f"vehicles[0].{name}"] != "default" for name in VehicleSettings.model_fields)


def test_the_example_explains_every_key(example: str) -> None:
    for key, field in (settings_fields() | repeated_fields()).items():
        assert str(field.info.description) in example, key
        assert field.expected in example, key
        assert field.unit in example, key
        assert re.search(rf"(?m)^#( example: )?{field.name} = ", example), key


def test_example_lines_are_short_enough_to_read(example: str) -> None:
    assert max(map(len, example.splitlines())) <= 120


def test_show_prints_toml_of_what_is_in_effect(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text("[clock]\nstarts_at = 2017-03-05T09:00:00+01:00\n")
    result = storeforward("show", "--config", str(file), STOREFORWARD__LINK__PORT="1884")
    assert result.exit_code == 0
    shown = tomllib.loads(result.output)
    assert shown["link"]["port"] == 1884
    assert Settings.model_validate(shown) == load_settings(file, {"STOREFORWARD__LINK__PORT": "1884"}).settings


def test_show_tells_where_each_value_came_from(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text('[site]\nid = "42"\n')
    result = storeforward("show", "--origin", "--config", str(file), STOREFORWARD__LINK__PORT="1884")
    lines = result.output.splitlines()
    assert f'id = "42"  # {file}:2' in lines
    assert "port = 1884  # environment STOREFORWARD__LINK__PORT" in lines
    assert "keepalive_s = 30  # default" in lines
    assert "# starts_at is not set  # default" in lines
    assert tomllib.loads(result.output)["site"]["id"] == "42"


def test_show_as_json_has_value_and_origin_of_every_key(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text('log_level = "debug"\n')
    shown = json.loads(storeforward("show", "--json", "--config", str(file)).output)
    assert set(shown) == set(settings_fields())
    assert shown["log_level"] == {"value": "debug", "origin": f"{file}:1"}
    assert shown["link.port"] == {"value": 1883, "origin": "default"}


TWO_VEHICLES = """
[[vehicles]]
id = "agv-1"
manufacturer = "acme"
serial_number = "1"
port = "/dev/ttyUSB0"

[[vehicles]]
id = "agv-2"
manufacturer = "acme"
serial_number = "2"
port = "/dev/ttyUSB1"
"""


def test_show_has_every_vehicle_with_the_origin_of_each_key(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text(TWO_VEHICLES)
    result = storeforward("show", "--origin", "--config", str(file))
    assert f'id = "agv-2"  # {file}:9' in result.output.splitlines()
    assert Settings.model_validate(tomllib.loads(result.output)) == load_settings(file, {}).settings
    shown = json.loads(storeforward("show", "--json", "--config", str(file)).output)
    assert shown["vehicles[1].port"] == {"value": "/dev/ttyUSB1", "origin": f"{file}:12"}
    assert shown["vehicles[0].baud"] == {"value": 115200, "origin": "default"}


def test_check_is_content_with_a_good_file_whatever_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text('[site]\nid = "42"\n')
    result = storeforward("check", str(file), STOREFORWARD__LINK__PORT="nonsense")
    assert (result.exit_code, result.output) == (0, f"{file} is fine: 1 key set\n")
    result = storeforward("check", "--json", str(file))
    assert json.loads(result.output) == {"file": str(file), "ok": True, "keys": 1}


def test_check_tells_every_problem_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text("[link]\nprot = 1884\nlinger_s = -1\n")
    result = storeforward("check", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"{file}:2 link.prot: unknown key; expected port; example port = 1883",
        f"{file}:3 link.linger_s: out of range; expected a number from 0 to 10; example linger_s = 0.02",
    ]


def test_check_as_json_lists_the_problems(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text("[link]\nprot = 1884\n")
    result = storeforward("check", "--json", str(file))
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "file": str(file),
        "ok": False,
        "problems": [
            {"path": f"{file}:2 link.prot", "problem": "unknown key", "expected": "port; example port = 1883"}
        ],
    }


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    for arguments in (("check", str(tmp_path / "x.toml")), ("show", "--config", str(tmp_path / "x.toml"))):
        result = storeforward(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"{tmp_path / 'x.toml'}: no such file; expected a TOML file")


def test_check_says_which_files_are_not_there(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text('[link]\nusername = "u"\npassword_file = "nope"\n')
    result = storeforward("check", str(file))
    assert result.exit_code == 2
    assert f"{file}:3 link.password_file: no such file" in result.stderr
    (tmp_path / "nope").write_text("secret")
    assert storeforward("check", str(file)).exit_code == 0
