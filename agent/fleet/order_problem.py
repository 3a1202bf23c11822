"""One reason to reject an order, before it is dressed as an error of the state."""

from dataclasses import dataclass

from agent.fleet.errors import ErrorType

__all__ = ["OrderProblem"]


@dataclass(frozen=True, slots=True)
class OrderProblem:
    """What is wrong, what it is about (`nodeId` …) and the paths of the fields, such as `edges[2].released`."""

    error_type: ErrorType
    description: str
    about: tuple[tuple[str, object], ...] = ()
    fields: tuple[str, ...] = ()
