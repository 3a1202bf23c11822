"""`storeforward kiosk` says what is missing or wrong in one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import main

WITHOUT_KIVY = """
import sys
sys.modules["kivy"] = None
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name == "kivy" else find(name, *rest))
del sys.modules["kivy"]
from agent.cli import main
main()
"""


def test_without_kivy_it_says_how_to_get_it(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", WITHOUT_KIVY, "kiosk", "--data", str(tmp_path)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 1
    assert answer.stderr == "Error: the kiosk needs Kivy: pip install 'storeforward[kiosk]'\n"


@pytest.mark.parametrize("size", ["1280", "x800", "1280x800x2", "10x10", "-1x800", "99999x800"])
def test_a_size_that_is_none_is_refused(size: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["kiosk", "--size", size, "--data", str(tmp_path)])
    assert answer.exit_code == 2
    assert "--size" in answer.output


def test_a_theme_nobody_can_read_stops_the_kiosk_before_a_window_opens(tmp_path: Path) -> None:
    theme = tmp_path / "theme.toml"
    theme.write_text("name = 3", encoding="utf-8")
    answer = CliRunner().invoke(main, ["kiosk", "--theme", str(theme), "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert "theme.toml" in answer.output


def test_a_command_line_that_only_prints_help_loads_no_kivy() -> None:
    loaded = "[name for name in sys.modules if name.split('.')[0] in ('kiosk', 'kivy')]"
    program = f"import sys; from agent.cli import main; main(['kiosk', '-h'], standalone_mode=False); print({loaded})"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60)
    assert answer.stdout.splitlines()[-1] == "[]"
