"""What every compared model is: it learns from a split's train side once, and names ten products per question."""

from typing import Protocol

from sim.evaluate.protocol import Query, Task

__all__ = ["SHOWN", "Model"]

SHOWN = 10


class Model(Protocol):
    """One way to choose products."""

    name: str
    tasks: tuple[Task, ...]
    """The questions it has an answer to."""

    @property
    def size_mb(self) -> float:
        """What answering reads, without what is known of single customers."""
        ...

    @property
    def state_mb(self) -> float:
        """All that it keeps."""
        ...

    def answer(self, query: Query) -> list[int]:
        """Up to ten products outside `given`, the best first."""
        ...
