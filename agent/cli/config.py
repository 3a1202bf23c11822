"""`storeforward config`: what can be set, what is set, and from where."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from agent.cli.options import config_option, json_option, load
from agent.errors import Problem, SettingsRefused
from agent.settings import Settings
from agent.settings_fields import SettingsField, repeated_fields, repeated_sections, settings_fields, toml_value
from agent.settings_file import Loaded, load_settings
from agent.site_type_files import load_site_types

__all__ = ["config"]


@click.group()
def config() -> None:
    """Show, explain and check settings.

    Example: storeforward config example > store.toml
    """


@config.command()
def example() -> None:
    """Print a settings file with every key, commented out.

    Example: storeforward config example > store.toml
    """
    click.echo("\n".join(_example_lines()))


@config.command()
@config_option
@click.option("--origin", is_flag=True, help="Say where each value came from, e.g. config show --origin | grep link.")
@json_option
def show(config_file: Path | None, *, origin: bool, as_json: bool) -> None:
    """Print the settings in effect, as TOML.

    Example: STOREFORWARD__LINK__PORT=1884 storeforward config show --origin
    """
    loaded = load(config_file)
    click.echo(_as_json(loaded) if as_json else "\n".join(_as_toml(loaded, origin=origin)))


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, *, as_json: bool) -> None:
    """Check a settings file without using it: exit code 0 when it is fine, 2 when not.

    Example: storeforward config check store.toml
    """
    try:
        loaded = load_settings(file, {})
        _check_files(loaded)
        load_site_types(loaded.settings.events)
    except SettingsRefused as refused:
        if as_json:
            problems = [asdict(problem) for problem in refused.problems]
            click.echo(json.dumps({"file": str(file), "ok": False, "problems": problems}))
        raise
    keys = sum(origin != "default" for origin in loaded.origin.values())
    click.echo(
        json.dumps({"file": str(file), "ok": True, "keys": keys})
        if as_json
        else f"{file} is fine: {keys} {'key' if keys == 1 else 'keys'} set"
    )


def _check_files(loaded: Loaded) -> None:
    """The files that settings name must be there: the agent would start without what needs them."""
    problems = [
        Problem(f"{loaded.origin[key]} {key}", "no such file", "a file that this user can read")
        for key, field in settings_fields().items()
        if field.name.endswith("_file") and (name := _value(loaded, field)) and not Path(str(name)).is_file()
    ]
    if problems:
        raise SettingsRefused(*problems)


def _example_lines() -> Iterator[str]:
    yield "# Settings of Storeforward. Every key stands here with its default: take the # away from those you change."
    yield f"# The environment wins over this file: {settings_fields()['link.port'].variable}=1884 sets link.port."
    yield "# Relative file names start at the folder of this file."
    section = ""
    for field in settings_fields().values():
        yield ""
        if field.section != section:
            section = field.section
            model = Settings.model_fields[section].annotation
            yield f"# {(model.__doc__ or '').strip()}" if model else ""
            yield f"[{section}]"
        yield from _key_lines(field)
    for section, model in repeated_sections().items():
        yield f"\n# {(model.__doc__ or '').strip()}\n#[[{section}]]"
        for field in _fields_of(section):
            yield ""
            yield from _key_lines(field)


def _fields_of(section: str) -> Iterator[SettingsField]:
    return (field for field in repeated_fields().values() if field.section == section)


def _key_lines(field: SettingsField) -> Iterator[str]:
    yield f"# {field.info.description}"
    facts = [field.expected, field.unit, f"default {field.default}" if field.default else ""]
    yield "# (" + "; ".join(fact for fact in facts if fact) + ")"
    if field.repeated and not field.default:
        yield f"#{field.example}"
    elif field.default in ("", '""'):
        yield f"# example: {field.example}"
    if field.default:
        yield f"#{field.name} = {field.default}"


def _as_toml(loaded: Loaded, *, origin: bool) -> Iterator[str]:
    section = ""
    for key, field in settings_fields().items():
        if field.section != section:
            section = field.section
            yield f"\n[{section}]"
        yield _shown(field.name, _value(loaded, field), loaded.origin[key] if origin else "")
    for section in repeated_sections():
        for index, table in enumerate(getattr(loaded.settings, section)):
            yield f"\n[[{section}]]"
            for field in _fields_of(section):
                place = loaded.origin[f"{section}[{index}].{field.name}"]
                yield _shown(field.name, getattr(table, field.name), place if origin else "")


def _shown(name: str, value: object, origin: str) -> str:
    written = toml_value(value)
    line = f"{name} = {written}" if written else f"# {name} is not set"
    return f"{line}  # {origin}" if origin else line


def _as_json(loaded: Loaded) -> str:
    values = loaded.settings.model_dump(mode="json")
    report = {
        key: {
            "value": values[field.section][field.name] if field.section else values[field.name],
            "origin": loaded.origin[key],
        }
        for key, field in settings_fields().items()
    }
    for section in repeated_sections():
        for index, table in enumerate(values[section]):
            keys = {f"{section}[{index}].{name}": value for name, value in table.items()}
            report |= {key: {"value": value, "origin": loaded.origin[key]} for key, value in keys.items()}
    return json.dumps(report, indent=2, ensure_ascii=False)


def _value(loaded: Loaded, field: SettingsField) -> object:
    section = getattr(loaded.settings, field.section) if field.section else loaded.settings
    return getattr(section, field.name)
