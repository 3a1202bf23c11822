"""The set-up says in one sentence what is missing, and changes nothing when everything is there."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.sources import ROOT

TOOLS: Final = ("bash", "cat", "chmod", "cut", "dirname", "grep", "head", "sha256sum")
"""All that the script may use before it has something to install."""


class Machine:
    """A folder with the project's set-up files, and a PATH that holds stand-ins for the machine's programs."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.programs = folder / "bin"
        self.clone.mkdir()
        self.programs.mkdir()
        shutil.copytree(ROOT / "packaging", self.clone / "packaging")
        for name in ("pyproject.toml", "setup.py"):
            shutil.copyfile(ROOT / name, self.clone / name)
        for name in TOOLS:
            (self.programs / name).symlink_to(shutil.which(name) or name)
        self.has("id", "echo 1000")
        self.has("uname", 'if [ "$1" = -s ]; then echo Linux; else echo x86_64; fi')
        self.has("make", "exit 0")
        self.has("mosquitto", "exit 0")
        self.has("python3", f'exec "{sys.executable}" "$@"')

    def has(self, name: str, script: str) -> None:
        self._write(self.programs / name, script)

    def lacks(self, name: str) -> None:
        (self.programs / name).unlink()

    def has_venv(self, failing: str = "nothing") -> Path:
        """A .venv whose pip only writes its arguments to the file returned, and fails at those that hold `failing`."""
        calls = self.clone / "pip-calls"
        programs = self.clone / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "pip").write_text(f"#!{programs}/python\n", encoding="utf-8")
        pip = f'echo "$*" >>"{calls}"; case "$*" in *{failing}*) exit 1 ;; esac; exit 0'
        self._write(programs / "python", f'case "$*" in *"-m pip"*) {pip} ;; esac; exec "{sys.executable}" "$@"')
        return calls

    def set_up(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what was said; the script's own additions to the PATH are taken out."""
        script = self.clone / "packaging" / "setup.sh"
        text = script.read_text(encoding="utf-8").replace(":/usr/sbin:/sbin", "")
        script.write_text(text, encoding="utf-8")
        answer = subprocess.run(
            [str(self.programs / "bash"), str(script), *arguments],
            env={"PATH": str(self.programs)},
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert answer.stdout == ""
        return answer.returncode, answer.stderr

    @staticmethod
    def _write(program: Path, script: str) -> None:
        program.write_text(f"#!{shutil.which('bash')}\n{script}\n", encoding="utf-8")
        program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("system", "hint"),
    [("Darwin", "on macOS, run it in a Linux container"), ("MINGW64_NT-10.0", "on Windows, run it in WSL2")],
)
def test_another_system_is_told_where_it_runs(machine: Machine, system: str, hint: str) -> None:
    machine.has("uname", f"echo {system}")
    code, said = machine.set_up()
    assert (code, said.count("\n")) == (1, 1)
    assert hint in said


def test_another_processor_is_told_which_ones_suit(machine: Machine) -> None:
    machine.has("uname", 'if [ "$1" = -s ]; then echo Linux; else echo armv7l; fi')
    code, said = machine.set_up()
    assert (code, said) == (
        1,
        "setup: Storeforward runs on 64-bit x86 and ARM Linux; this machine is armv7l.\n",
    )


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.has("python3", 'case "$*" in -V) echo Python 3.9.2 ;; *sys.exit*) exit 1 ;; esac')
    code, said = machine.set_up()
    assert (code, said.count("\n")) == (1, 1)
    assert "needs Python 3.11 to 3.14, and python3 is Python 3.9.2" in said


def test_a_missing_venv_module_stops_with_the_apt_line(machine: Machine) -> None:
    machine.has("python3", f'case "$*" in *ensurepip*) exit 1 ;; esac; exec "{sys.executable}" "$@"')
    code, said = machine.set_up()
    assert code == 1
    assert said == (
        "setup: missing: python3-venv. On Debian or Ubuntu: sudo apt-get install --no-install-recommends python3-venv\n"
    )


def test_the_broker_is_needed_by_the_tests_only(machine: Machine) -> None:
    machine.lacks("mosquitto")
    code, said = machine.set_up("test")
    assert (code, said.count("\n")) == (1, 1)
    assert "missing: mosquitto. On Debian or Ubuntu: sudo apt-get install" in said
    machine.has("python3", f'case "$*" in *venv*) echo making it; exit 3 ;; esac; exec "{sys.executable}" "$@"')
    code, said = machine.set_up()
    assert code != 1
    assert "make test will need mosquitto" in said


def test_a_finished_set_up_is_left_as_it_is(machine: Machine) -> None:
    """With the stamp in place neither venv nor pip is started again; a changed lock starts pip."""
    calls = machine.has_venv()
    assert machine.set_up()[0] == 0
    first = calls.read_text(encoding="utf-8").splitlines()
    assert [call for call in first if "--require-hashes" in call and "requirements.lock" in call]
    assert machine.set_up() == (0, "")
    assert calls.read_text(encoding="utf-8").splitlines() == first
    with (machine.clone / "packaging" / "requirements.lock").open("a", encoding="utf-8") as lock:
        lock.write("# changed\n")
    assert machine.set_up()[0] == 0
    assert calls.read_text(encoding="utf-8").splitlines() == first * 2


def test_a_failed_install_leaves_no_stamp(machine: Machine) -> None:
    machine.has_venv(failing="requirements.lock")
    assert machine.set_up()[0] != 0
    assert not (machine.clone / ".venv" / "setup.stamp").exists()


def test_the_set_up_does_without_the_sales_data(machine: Machine) -> None:
    machine.has_venv(failing="sales-data.lock")
    code, said = machine.set_up()
    assert code == 0
    assert "the demo will use the seeded generator instead" in said
