"""What a check of the doctor found, with its remedy."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

__all__ = ["Finding", "Severity"]


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should know."""
    PROBLEM = "problem"
    """Something does not work, or is not safe."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing; a remedy where something is to be done."""

    check: str
    severity: Severity
    text: str
    remedy: str = ""

    @classmethod
    def ok(cls, check: str, text: str) -> Self:
        """All is well."""
        return cls(check, Severity.OK, text)

    @classmethod
    def warning(cls, check: str, text: str, remedy: str) -> Self:
        """Somebody should know."""
        return cls(check, Severity.WARNING, text, remedy)

    @classmethod
    def problem(cls, check: str, text: str, remedy: str) -> Self:
        """Somebody has to act."""
        return cls(check, Severity.PROBLEM, text, remedy)
