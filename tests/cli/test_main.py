"""The command itself: quick to start, every option explained, errors as one message and an exit code."""

import os
import subprocess
import sys
from collections.abc import Iterator
from errno import EACCES

import click
import pytest
from click.testing import CliRunner

from agent import __version__
from agent.cli import LazyGroup, main
from agent.errors import EnvironmentFault, Problem, SettingsRefused
from tests.cli.command import run_unprivileged
from tests.open_folder import open_folder

COMMANDS = (
    *(
        "run",
        "demo",
        "status",
        "doctor",
        "tail",
        "export",
        "drain",
        "reconcile",
        "replay",
        "backup",
        "restore",
        "config",
        "asyncapi",
        "producer",
        "catalogue",
        "kiosk",
        "agv",
        "bridge",
    ),
    *("learn", "evaluate", "bench", "quarantine", "refused"),
)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its path, groups included."""
    todo: list[tuple[str, click.Command]] = [("storeforward", main)]
    while todo:
        path, command = todo.pop()
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                todo.append((f"{path} {name}", found))


def test_the_commands_are_as_documented() -> None:
    assert main.list_commands(click.Context(main)) == list(COMMANDS)
    assert main.get_command(click.Context(main), "nonsense") is None


@pytest.mark.parametrize("argument", ["-h", "--help"])
def test_help_names_every_command(argument: str) -> None:
    result = CliRunner().invoke(main, [argument])
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in COMMANDS)


def test_every_command_and_option_is_explained_with_an_example() -> None:
    for path, command in commands():
        text = f"{command.help} {command.epilog}"
        assert "Example" in text, f"{path} has no example"
        assert path.split()[-1] in text, f"the example of {path} does not use it"
        for parameter in command.params:
            if not isinstance(parameter, click.Option) or parameter.name in ("help", "version"):
                continue
            name = f"{path} {parameter.opts[0]}"
            assert parameter.help, f"{name} is not explained"
            if not parameter.is_flag:
                assert f"{parameter.opts[0]} " in parameter.help, f"{name} has no example such as `{name} …`"


def test_the_version_is_told_without_loading_the_agent() -> None:
    script = (
        "import sys; sys.argv = ['storeforward', '--version']\n"
        "from agent.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'pydantic', 'aiohttp', 'asyncio', 'sqlite3', 'paho', 'rich'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert answer.stdout == f"storeforward {__version__}\n[]\n"


def test_the_module_is_the_command() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "agent", "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    assert answer.stdout == f"storeforward {__version__}\n"


def test_each_command_loads_only_its_own_code() -> None:
    script = (
        "import sys; from agent.cli import main\ntry: main(['config', 'example'])\nfinally: print(sorted(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    loaded = answer.stdout.splitlines()[-1]
    assert "'agent.cli.config'" in loaded
    for other in ("agent.cli.producer", "agent.cli.run", "agent.app", "agent.log", "aiohttp", "sqlite3", "paho"):
        assert f"'{other}'" not in loaded


def failing(error: Exception) -> click.Group:
    group = LazyGroup("storeforward", lazy={})

    @group.command()
    def fail() -> None:
        raise error

    group.get_command = lambda ctx, cmd_name: fail  # type: ignore[method-assign]  # noqa: ARG005 - click's names
    return group


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (EnvironmentFault("the disk is full"), 1, "Error: the disk is full\n"),
        (SettingsRefused(Problem("a:1 b", "wrong"), Problem("a:2 c", "bad")), 2, "a:1 b: wrong\na:2 c: bad\n"),
        (click.UsageError("no such thing"), 2, "Error: no such thing\n"),
        (
            PermissionError(EACCES, "Permission denied", "/srv/log"),
            1,
            "no access to /srv/log (Permission denied): use the account the agent runs under, or join its group\n",
        ),
    ],
)
def test_our_errors_are_one_message_and_an_exit_code(error: Exception, code: int, text: str) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.endswith(text)
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop to another user")
@pytest.mark.parametrize("command", [("status",), ("drain",), ("reconcile",), ("tail",), ("backup", "copy.sqlite")])
def test_whoever_may_not_enter_the_data_folder_is_told_that_and_not_that_he_asked_wrongly(
    command: tuple[str, ...],
) -> None:
    with open_folder() as folder:
        (folder / "data" / "log").mkdir(parents=True)
        (folder / "data").chmod(0o700)
        done = run_unprivileged(*command, "--data", folder / "data")
    assert done.returncode == 1
    assert done.stderr.startswith(("Error: cannot ", "Error: no access to "))
    assert "(Permission denied): " in done.stderr


def test_an_error_that_is_a_bug_of_ours_is_not_hidden() -> None:
    result = CliRunner().invoke(failing(RuntimeError("bug")), ["fail"])
    assert isinstance(result.exception, RuntimeError)


@pytest.mark.parametrize("arguments", [["nonsense"], ["config", "nonsense"], ["config", "check"], ["producer", "add"]])
def test_wrong_usage_has_exit_code_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


@pytest.mark.parametrize("system", ["Darwin", "Windows"])
def test_another_platform_is_told_the_way(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    result = CliRunner().invoke(main, ["config", "example"])
    assert result.exit_code == 1
    assert "runs on Linux" in result.stderr
    assert "WSL2" in result.stderr
