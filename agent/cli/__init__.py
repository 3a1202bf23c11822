"""The `storeforward` command. Each subcommand's code is imported only when that subcommand is used."""

import platform
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from agent import __version__
from agent.errors import SettingsRefused, StoreforwardError

__all__ = ["EXIT_PROBLEM", "EXIT_USAGE", "LazyGroup", "main"]

EXIT_PROBLEM: Final = 1
EXIT_USAGE: Final = 2

_COMMANDS: Final = {
    "run": "agent.cli.run:run",
    "demo": "agent.cli.demo:demo",
    "status": "agent.cli.status:status",
    "doctor": "agent.cli.doctor:doctor",
    "tail": "agent.cli.tail:tail",
    "export": "agent.cli.export:export",
    "drain": "agent.cli.drain:drain",
    "reconcile": "agent.cli.reconcile:reconcile",
    "replay": "agent.cli.replay:replay",
    "backup": "agent.cli.backup:backup",
    "restore": "agent.cli.restore:restore",
    "config": "agent.cli.config:config",
    "asyncapi": "agent.cli.asyncapi:asyncapi",
    "producer": "agent.cli.producer:producer",
    "catalogue": "agent.cli.catalogue:catalogue",
    "kiosk": "agent.cli.kiosk:kiosk",
    "agv": "agent.cli.agv:agv",
    "bridge": "agent.cli.bridge:bridge",
    "learn": "agent.cli.learn:learn",
    "evaluate": "agent.cli.evaluate:evaluate",
    "bench": "agent.cli.bench:bench",
    "quarantine": "agent.cli.quarantine:quarantine",
    "refused": "agent.cli.refused:refused",
}


class LazyGroup(click.Group):
    """A group whose commands are `module:function` texts; our errors become one message and an exit code."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:  # Any: click's own parameters
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self._lazy:
            return None
        module, _, function = self._lazy[cmd_name].partition(":")
        command = getattr(import_module(module), function)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:  # Any: whatever the command returns
        try:
            return super().invoke(ctx)
        except SettingsRefused as refused:  # its lines begin with file:line, for people and editors
            click.echo(str(refused), err=True)
            ctx.exit(EXIT_USAGE)
        except StoreforwardError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(EXIT_PROBLEM)
        except PermissionError as denied:
            hint = "use the account the agent runs under, or join its group"
            click.echo(f"Error: no access to {denied.filename} ({denied.strerror}): {hint}", err=True)
            ctx.exit(EXIT_PROBLEM)


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 problem, 2 wrong usage or settings. Example: storeforward run --data ./data",
)
@click.version_option(__version__, prog_name="storeforward", message="%(prog)s %(version)s")
def main() -> None:
    """Store-and-forward for stores: keeps every event of a shop and brings it to the cloud."""
    if platform.system() != "Linux":
        raise click.ClickException(
            "Storeforward runs on Linux; on macOS and Windows run it in its container or, on Windows, in WSL2."
        )
