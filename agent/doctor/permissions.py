"""Whether others may read keys or change what the agent keeps, and whether this user may."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.doctor.finding import Finding
from agent.doctor.patient import Patient
from agent.private_file import open_to_others

__all__ = ["check_data_folder", "check_secrets"]


def check_data_folder(patient: Patient) -> Iterator[Finding]:
    """Whose the data folder is and who else may write in it."""
    folder = patient.folder.path
    if not folder.exists():
        yield Finding.ok("data folder", f"{folder} does not exist yet; the agent makes it")
        return
    if not folder.is_dir():
        yield Finding.problem("data folder", f"{folder} is not a folder", "name another one with --data")
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IWOTH:
        remedy = f"chmod o-w {folder}"
        yield Finding.problem("data folder", f"everybody can change {folder} (mode {mode:o})", remedy)
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        remedy = "run the agent, and doctor, under the account that owns it"
        owner = folder.stat().st_uid
        yield Finding.problem("data folder", f"{folder} belongs to user {owner}, this user cannot use it", remedy)
    else:
        yield Finding.ok("data folder", f"{folder}, mode {mode:o}")


def check_secrets(patient: Patient) -> Iterator[Finding]:
    """Keys and tokens are for their owner only."""
    kept = 0
    for file in _secrets(patient):
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
        except FileNotFoundError:
            continue
        kept += 1
        if open_to_others(file):
            allowed = "700" if file.is_dir() else "600"
            remedy = f"chmod {allowed} {file}"
            yield Finding.problem("secrets", f"{file} is open to others (mode {mode:o})", remedy)
            return
    yield Finding.ok("secrets", "keys and tokens are for their owner only" if kept else "none yet")


def _secrets(patient: Patient) -> Iterator[Path]:
    identity = patient.folder.identity
    yield identity
    yield patient.folder.refused
    if identity.is_dir():
        yield from sorted(file for file in identity.iterdir() if file.is_file())
    link = patient.settings.link
    for name in (patient.settings.api.lan_key_file, link.password_file, link.key_file):
        if name:
            yield Path(name)
