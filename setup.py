"""Build script: all facts live in pyproject.toml; compiled extensions are declared here, and a build needs them all."""

from Cython.Build import cythonize
from setuptools import Extension, setup

COMPILED = ("_framing", "_line", "_link", "_port", "_safety", "_sequence", "_station", "_xid")

# -O3: the codec's inner loops are unrolled and inlined; many a Python is built with -O2, and passes that on.
# -g0: debugging information of generated C doubles the time to compile, and nobody reads it.
COMPILE_ARGUMENTS = ["-O3", "-g0"]


def compiled() -> list[Extension]:
    """Every compiled module; one that does not compile fails the build."""
    extensions = [
        Extension(f"firmware_bridge.{name}", [f"firmware_bridge/{name}.pyx"], extra_compile_args=COMPILE_ARGUMENTS)
        for name in COMPILED
    ]
    made: list[Extension] = cythonize(extensions, build_dir="build/cython", language_level=3)  # type: ignore[no-untyped-call]  # Cython has none
    return made


setup(
    ext_modules=compiled(),
    options={"build_ext": {"parallel": 4}},  # compilers at once
)
