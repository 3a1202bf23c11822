"""Builds the reference firmware with the C compiler at hand; what is built already is not built again."""

import hashlib
import os
import shutil
import subprocess
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import platformdirs

from agent.errors import EnvironmentFault

__all__ = ["CompilerFailed", "CompilerMissing", "Product", "SourcesMissing", "build"]

COMPILE_TIMEOUT_S: Final = 120.0

_SOURCES: Final = Path(__file__).parent
_STRICT: Final = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wpedantic")
_NATIVE: Final = ("cc", *_STRICT, "-O2")
_SANITIZED: Final = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_FOR_AVR: Final = ("-mmcu=atmega1284p", "-Os", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")


class CompilerMissing(EnvironmentFault):
    """No C compiler is installed."""


class CompilerFailed(EnvironmentFault):
    """The compiler did not take our sources; the text is its own."""


class SourcesMissing(EnvironmentFault):
    """This installation came without the C sources, as a wheel does."""


class Product(Enum):
    """What can be built: the compiler, its flags, and the folders the sources come from."""

    VEHICLE = ("vehicle", _NATIVE, ("core", "body", "host", "posix"))
    VEHICLE_SANITIZED = ("vehicle-sanitized", (*_NATIVE, *_SANITIZED), ("core", "body", "host", "posix"))
    LIBRARY = ("vehicle.so", (*_NATIVE, "-fPIC", "-shared"), ("core", "body", "library"))
    FUZZ = ("fuzz", (*_NATIVE, *_SANITIZED), ("core", "body", "fuzz"))
    AVR_IMAGE = ("vehicle.elf", ("avr-gcc", *_STRICT, *_FOR_AVR), ("core", "body", "avr"))
    AVR_BOARD = ("board", _NATIVE, ("host", "board"))

    def __init__(self, file_name: str, command: tuple[str, ...], folders: tuple[str, ...]) -> None:
        self.file_name: Final = file_name
        self.command: Final = command
        self.folders: Final = folders


def build(product: Product, folder: Path | None = None) -> Path:
    """The built file, in a folder named by the sources' content; compiles only when it is not there.

    Raises:
        SourcesMissing: the text says where they are.
        CompilerMissing: the text says what to install.
        CompilerFailed: the compiler's own words.
    """
    if not (_SOURCES / "core").is_dir():
        raise SourcesMissing(f"no firmware sources in {_SOURCES}: run this from a clone of the project")
    target = (folder or _build_folder()) / _content_name(product) / product.file_name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        # A folder of its own and a rename: of two builders at once, each finds a whole file.
        with TemporaryDirectory(dir=target.parent) as scratch:
            fresh = Path(scratch) / product.file_name
            _compile(product, fresh)
            fresh.replace(target)
    return target


def _build_folder() -> Path:
    root = _SOURCES.parent.parent
    if (root / "pyproject.toml").exists() and os.access(root, os.W_OK):
        return root / "build" / "firmware"
    return platformdirs.user_cache_path("storeforward") / "firmware"


def _sources(product: Product) -> list[Path]:
    return [path for folder in product.folders for path in sorted((_SOURCES / folder).glob("*.c"))]


def _content_name(product: Product) -> str:
    digest = hashlib.sha256(" ".join(product.command).encode())
    for path in [*sorted(_SOURCES.glob("*/*.h")), *_sources(product)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _compile(product: Product, target: Path) -> None:
    compiler = shutil.which(product.command[0])
    if compiler is None:
        wanted = "gcc-avr avr-libc" if product.command[0] == "avr-gcc" else "gcc libc6-dev"
        raise CompilerMissing(f"no C compiler {product.command[0]!r} to build the firmware: apt-get install {wanted}")
    folders = [f"-I{_SOURCES / folder}" for folder in ("core", "body", "host", "library")]
    libraries = ("-lsimavr",) if product is Product.AVR_BOARD else ()
    command = [
        compiler,
        *product.command[1:],
        *folders,
        *map(str, _sources(product)),
        "-o",
        str(target),
        *libraries,
        "-lm",
    ]
    answer = subprocess.run(command, capture_output=True, check=False, text=True, timeout=COMPILE_TIMEOUT_S)  # noqa: S603 - our own compiler call
    if answer.returncode != 0:
        raise CompilerFailed(f"{product.file_name} was not built by {compiler}:\n{answer.stderr.strip()}")
