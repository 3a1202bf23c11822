"""What a person can run or be told is explained in docs/operating.md."""

import re
from typing import Final

import click

from agent.doctor import CHECKS
from agent.export import FORMATS
from tests.cli.test_main import commands
from tests.sources import ROOT

TEXT: Final = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def test_every_command_is_named() -> None:
    named = set(re.findall(r"`(storeforward [a-z ]+)`", TEXT))
    assert named == {path for path, command in commands() if not isinstance(command, click.Group)}


def test_every_option_of_the_commands_over_the_log_is_named() -> None:
    for path, command in commands():
        if path.split()[-1] not in {"status", "tail", "export", "doctor", "replay"}:
            continue
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "help":
                assert any(name in TEXT for name in option.opts), f"{path} {option.opts[0]}"


def test_every_kind_of_export_file_is_explained() -> None:
    assert all(f"| `{kind}` | " in TEXT for kind in FORMATS)


def test_every_check_of_the_doctor_says_what_to_do() -> None:
    rows = {line.split("|")[1].strip() for line in TEXT.splitlines() if line.count("|") == 4}
    assert {"settings", "data folder", "secrets", "file system", "disk", "inodes", "fsync", "sqlite", "log"} <= rows
    assert {"log size", "backlog", "clock", "time zone", "agent", "machine", "certificate"} <= rows
    assert {"dns", "tcp", "tls", "mqtt", "round trip", "receipts"} <= rows  # one check: the way to the broker
    assert len(CHECKS) == 17, "a new check needs its row"
