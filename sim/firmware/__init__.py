"""The reference firmware: C sources, and the way to build them."""

from sim.firmware.products import CompilerFailed, CompilerMissing, Product, SourcesMissing, build

__all__ = ["CompilerFailed", "CompilerMissing", "Product", "SourcesMissing", "build"]
