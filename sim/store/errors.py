"""What can be wrong with a source of sales: the user's input, or something that is not installed."""

from agent.errors import CallerError, EnvironmentFault, Problem

__all__ = ["DatasetAbsent", "SourceRefused"]


class SourceRefused(CallerError):
    """A file or a choice that yields no sales; `problems` say where (`FILE:LINE column`) and what was expected."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class DatasetAbsent(EnvironmentFault):
    """The Complete Journey data is asked for and not installed; `str()` says how to get it."""
