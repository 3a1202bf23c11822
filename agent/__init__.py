"""Storeforward: the on-device agent of a retail store."""

__all__ = ["__version__"]

__version__ = "0.1.0"
