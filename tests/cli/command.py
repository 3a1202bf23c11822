"""Runs the command as a user would: in this process, in one of its own, on a terminal, or without any rights."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from click.testing import CliRunner, Result

from agent.cli import main

__all__ = ["HEARS_CTRL_C", "invoke", "plain", "run_on_terminal", "run_unprivileged", "start"]

UNPRIVILEGED = """
import encodings.ascii, encodings.idna, os, sys  # loaded now: the interpreter's own files may be closed to others
import agent.cli.doctor, agent.cli.export, agent.cli.tail, agent.cli.agent_client, agent.export, rich.progress
import agent.cli.backup, agent.cli.drain, agent.cli.reconcile, agent.cli.status, agent.log.copies.check
from agent.cli import main
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
main(sys.argv[1:])
"""
DEADLINE_S = 30
CODE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
HEARS_CTRL_C = ("env", "--default-signal=INT")
"""Before a command: what a shell runs in its background is deaf to Ctrl-C, and these tests may be that."""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def start(*arguments: object) -> subprocess.Popen[str]:
    """A process with its output in pipes."""
    command = [*HEARS_CTRL_C, sys.executable, "-m", "agent", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def plain(shown: str) -> str:
    """What a terminal got, without its codes for colours and places."""
    return CODE.sub("", shown)


def run_unprivileged(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", UNPRIVILEGED, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def run_on_terminal(*arguments: object, until: Callable[[str], bool] = bool, keys: str = "") -> tuple[int, str]:
    """Exit code and what was shown; once that is as `until` wants it, `keys` are pressed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="40")
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # see HEARS_CTRL_C
        os.execv(sys.executable, [sys.executable, "-m", "agent", *map(str, arguments)])
    shown, began_s = "", time.monotonic()
    with os.fdopen(terminal, "r+b", buffering=0) as opened:
        try:
            while True:
                if not select.select([opened], [], [], began_s + DEADLINE_S - time.monotonic())[0]:
                    os.kill(pid, signal.SIGKILL)
                    raise AssertionError(f"not done within {DEADLINE_S} s: {shown[-2_000:]!r}")
                shown += opened.read(65_536).decode("utf-8", "replace")
                if keys and until(shown):
                    opened.write(keys.encode())
                    keys = ""
        except OSError:  # the other side is closed
            pass
        finally:
            status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status), shown
