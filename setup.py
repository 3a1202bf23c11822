"""Build script: all facts live in pyproject.toml; the Cython extension of firmware_bridge is declared here once it exists."""

from setuptools import setup

setup()
