"""A data folder knows the machine it was made on, and says nothing of it to whoever reads the folder."""

from pathlib import Path

import pytest

from agent.private_file import PrivateFileUnusable
from agent.upkeep.machine_mark import MachineMark, MachineMarkUnreadable

pytestmark = pytest.mark.case("I6")


def machine(folder: Path, **values: str) -> dict[str, Path]:
    """What a machine says of itself, as files."""
    files = {kind: folder / kind for kind in ("machine-id", "board")}
    for kind, file in files.items():
        file.unlink(missing_ok=True)
        if value := values.get(kind.replace("-", "_")):
            file.write_text(value)
    return files


def kept(folder: Path) -> Path:
    return folder / "machine.json"


def test_a_folder_that_stays_has_no_problem(tmp_path: Path) -> None:
    here = MachineMark(tmp_path, machine(tmp_path, machine_id="a1\n", board="b1\0"))
    assert here.problem() == ""
    here.make()
    here.make()
    assert here.problem() == ""
    assert kept(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("values", [{"machine_id": "a2", "board": "b1"}, {"machine_id": "a1", "board": "b2"}])
def test_a_copy_on_another_machine_or_board_is_told_with_what_to_do(tmp_path: Path, values: dict[str, str]) -> None:
    MachineMark(tmp_path, machine(tmp_path, machine_id="a1", board="b1")).make()
    there = MachineMark(tmp_path, machine(tmp_path, **values))
    there.make()
    assert "was made on another machine" in there.problem()
    assert f"rm {kept(tmp_path)}" in there.problem()
    kept(tmp_path).unlink()
    there.make()
    assert there.problem() == ""


def test_what_a_machine_does_not_say_is_not_compared(tmp_path: Path) -> None:
    nameless = MachineMark(tmp_path, machine(tmp_path))
    nameless.make()
    assert not kept(tmp_path).exists()
    MachineMark(tmp_path, machine(tmp_path, machine_id="a1")).make()
    assert nameless.problem() == ""
    assert MachineMark(tmp_path, machine(tmp_path, machine_id="a1", board="b1")).problem() == ""


def test_the_file_holds_no_value_and_no_two_folders_the_same_hash(tmp_path: Path) -> None:
    sources = machine(tmp_path, machine_id="0123456789abcdef0123456789abcdef")
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        MachineMark(tmp_path / name, sources).make()
        texts.append(kept(tmp_path / name).read_text())
    assert texts[0] != texts[1]
    assert "0123456789abcdef0123456789abcdef" not in texts[0]


def test_a_damaged_or_open_file_is_told(tmp_path: Path) -> None:
    here = MachineMark(tmp_path, machine(tmp_path, machine_id="a1"))
    here.make()
    kept(tmp_path).write_text("{}")
    with pytest.raises(MachineMarkUnreadable, match="is damaged: remove it"):
        here.problem()
    kept(tmp_path).chmod(0o644)
    with pytest.raises(PrivateFileUnusable, match="chmod 600"):
        here.problem()
