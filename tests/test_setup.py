"""The set-up says in one sentence what is missing, and changes nothing when everything is there."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.sources import ROOT

TOOLS: Final = ("bash", "cat", "chmod", "cut", "dirname", "grep", "head", "rm", "sha256sum")
"""All that the script may use before it has something to install."""


class Package(NamedTuple):
    """One line of the list of system packages."""

    package: str
    needed_by: str
    kind: str
    name: str
    why: str


def packages() -> Iterator[Package]:
    for line in (ROOT / "packaging" / "apt-packages.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            package, needed_by, shown_by, why = (column.strip() for column in line.split("|"))
            kind, name = shown_by.split()
            yield Package(package, needed_by, kind, name, why)


PACKAGES: Final = tuple(packages())

COPIED: Final = (
    *("pyproject.toml", "setup.py", "tests/package-lock.json"),
    *("firmware_bridge/_port.pyx", "firmware_bridge/_port.pxd"),
)


class Machine:
    """A folder with the project's set-up files, and a PATH that holds stand-ins for the machine's programs."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.programs = folder / "bin"
        self.headers = folder / "include"
        for made in (self.clone, self.programs, self.headers):
            made.mkdir()
        shutil.copytree(ROOT / "packaging", self.clone / "packaging")
        (self.clone / "firmware_bridge").mkdir()
        (self.clone / "tests/node_modules").mkdir(parents=True)
        for name in COPIED:
            shutil.copyfile(ROOT / name, self.clone / name)
        for name in TOOLS:
            (self.programs / name).symlink_to(shutil.which(name) or name)
        self.has("id", "echo 1000")
        self.has("uname", 'if [ "$1" = -s ]; then echo Linux; else echo x86_64; fi')
        for name in self._names("command"):
            self.has(name, "exit 0")
        for name in self._names("python-header"):
            (self.headers / name).touch()
        self.has_libraries(self._names("library"))
        self.has_python()

    def has_python(self, name: str = "python3", cases: str = "") -> None:
        """An interpreter whose headers lie in this machine's folder; `cases` are further answers, by its arguments."""
        self.has(name, self._python(cases))

    def has_libraries(self, names: Iterable[str]) -> None:
        self.has("ldconfig", "".join(f"echo '{name} (libc6,x86-64) => /lib/{name}'; " for name in names) + "exit 0")

    def has(self, name: str, script: str) -> None:
        self._write(self.programs / name, script)

    def lacks(self, package: Package) -> None:
        """Takes away what shows that the package is installed."""
        match package.kind:
            case "command":
                (self.programs / package.name).unlink()
            case "module":
                self.has_python(cases=f"*{package.name}*) exit 1 ;;")
            case "python-header":
                (self.headers / package.name).unlink()
            case "library":
                self.has_libraries(self._names("library") - {package.name})
            case "header" | "avr-header":
                compiler = "cc" if package.kind == "header" else "avr-gcc"
                self.has(compiler, f'case "$*" in *" {package.name} "*) exit 1 ;; esac')
            case _:
                pytest.fail(f"nobody knows how to take away {package}")

    def has_venv(self, failing: str = "nothing") -> Path:
        """A .venv whose pip only writes its arguments to the file returned, and fails at those that hold `failing`."""
        calls = self.clone / "pip-calls"
        programs = self.clone / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "pip").write_text(f"#!{programs}/python\n", encoding="utf-8")
        pip = f'echo "$*" >>"{calls}"; case "$*" in *{failing}*) exit 1 ;; esac; exit 0'
        self._write(programs / "python", self._python(f'*"-m pip"*) {pip} ;;'))
        return calls

    def is_root(self) -> Path:
        """Makes the user root, with an apt-get that only writes its arguments to the file returned."""
        calls = self.clone / "apt-calls"
        self.has("id", "echo 0")
        self.has("apt-get", f'echo "$*" >>"{calls}"')
        return calls

    def set_up(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what was said; the script's own additions to the PATH and to /usr/sbin are taken out."""
        script = self.clone / "packaging" / "setup.sh"
        text = (
            script.read_text(encoding="utf-8").replace(":/usr/sbin:/sbin", "").replace("/usr/sbin/", f"{self.clone}/")
        )
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

    def _python(self, cases: str) -> str:
        answers = f'{cases} *sysconfig*) echo "{self.headers}"; exit ;;'
        return f'case "$*" in {answers} esac; exec "{sys.executable}" "$@"'

    @staticmethod
    def _names(kind: str) -> set[str]:
        return {package.name for package in PACKAGES if package.kind == kind}

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


def needed_by(*purposes: str) -> pytest.MarkDecorator:
    chosen = [package for package in PACKAGES if package.needed_by in purposes]
    return pytest.mark.parametrize("package", chosen, ids=lambda package: package.package)


def test_every_package_says_what_it_is_for() -> None:
    assert {package.needed_by for package in PACKAGES} == {"setup", "kiosk", "test"}
    assert all(package.why for package in PACKAGES)


@needed_by("setup")
def test_what_the_set_up_needs_stops_it_with_the_apt_line(machine: Machine, package: Package) -> None:
    machine.lacks(package)
    code, said = machine.set_up()
    assert (code, said.count("\n")) == (1, 1)
    missing, apt_line = said.removeprefix("setup: missing: ").split(". On Debian or Ubuntu: ")
    assert package.package in missing.split()
    assert apt_line == f"sudo apt-get install --no-install-recommends {missing}\n"


@needed_by("kiosk")
def test_without_the_kiosks_libraries_the_demo_goes_on_without_kiosks(machine: Machine, package: Package) -> None:
    machine.has_venv()
    machine.lacks(package)
    code, said = machine.set_up()
    assert code == 0
    assert f"the demo will have no kiosks, which draw with OpenGL: {package.package} would bring them." in said


@needed_by("kiosk", "test")
def test_what_the_tests_need_is_told_before_and_stops_them(machine: Machine, package: Package) -> None:
    machine.has_venv()
    machine.lacks(package)
    code, said = machine.set_up()
    assert code == 0
    assert f"make test will need {package.package}" in said
    code, said = machine.set_up("test")
    assert (code, said.count("\n")) == (1, 1)
    assert f"missing: {package.package}" in said


def test_an_interpreter_of_another_version_has_packages_of_its_own(machine: Machine) -> None:
    machine.lacks(next(package for package in PACKAGES if package.name == "python3"))
    machine.lacks(next(package for package in PACKAGES if package.kind == "python-header"))
    machine.has_python("python3.12")
    code, said = machine.set_up()
    assert code == 1
    assert said.startswith("setup: missing: python3.12-dev. ")


def test_for_root_the_set_up_leaves_the_packages_of_the_tests_to_make_test(machine: Machine) -> None:
    calls = machine.is_root()
    machine.has_venv()
    drawing = next(package for package in PACKAGES if package.needed_by == "kiosk")
    testing = next(package for package in PACKAGES if package.needed_by == "test")
    machine.lacks(drawing)
    machine.lacks(testing)
    machine.set_up()
    installed = calls.read_text(encoding="utf-8").split()
    assert drawing.package in installed
    assert testing.package not in installed
    machine.set_up("test")
    assert testing.package in calls.read_text(encoding="utf-8").split()


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


def test_what_the_tests_need_from_npm_is_installed_once(machine: Machine) -> None:
    machine.has_venv()
    calls = machine.clone / "npm-calls"
    machine.has("npm", f'echo "$*" >>"{calls}"')
    for _ in range(2):
        assert machine.set_up("test")[0] == 0
    assert [line.split()[0] for line in calls.read_text(encoding="utf-8").splitlines()] == ["ci"]


def test_a_registry_out_of_reach_stops_the_tests_and_says_which_packages(machine: Machine) -> None:
    machine.has_venv()
    machine.has("npm", "exit 1")
    code, said = machine.set_up("test")
    assert code == 1
    assert said.endswith("npm could not install tests/package-lock.json: is its registry reached?\n")
    assert machine.set_up()[0] == 0


def test_a_changed_source_of_the_bridge_is_compiled_anew(machine: Machine) -> None:
    calls = machine.has_venv()
    machine.set_up()
    before = calls.read_text(encoding="utf-8")
    with (machine.clone / "firmware_bridge/_port.pyx").open("a", encoding="utf-8") as source:
        source.write("# changed")
    machine.set_up()
    assert "--no-build-isolation -e ." in calls.read_text(encoding="utf-8").removeprefix(before)
