"""One refused call as it is kept: a line of JSON that says when, whose and why, then the first bytes as they came."""

from datetime import datetime
from typing import Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent.errors import Problem

__all__ = ["HEAD_BYTES_MAX", "RefusedBody", "head_of"]

HEAD_BYTES_MAX: Final = 65_536
PROBLEMS_MAX: Final = 5
TEXT_CHARS_MAX: Final = 500


class RefusedProblem(BaseModel):
    """One thing that was wrong, as the producer was told."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str
    problem: str
    expected: str

    def __str__(self) -> str:
        return str(Problem(self.path, self.problem, self.expected))


class RefusedBody(BaseModel):
    """What is known of one call. `withheld` says what its body seems to hold, which is then not kept."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    at: AwareDatetime
    producer: str
    peer: str
    refusal: str
    problems: tuple[RefusedProblem, ...]
    size_bytes: int = Field(ge=0)
    head_bytes: int = Field(ge=0, le=HEAD_BYTES_MAX)
    withheld: str = ""
    number: int = Field(0, exclude=True)
    """Its file's name says it."""
    head: bytes = Field(b"", exclude=True)

    @classmethod
    def of(
        cls,
        at: datetime,
        *,
        producer: str,
        peer: str,
        refusal: str,
        problems: tuple[Problem, ...],
        size_bytes: int,
        head: bytes,
        withheld: str,
    ) -> Self:
        """The record of one call; of its problems the first five."""
        told = tuple(
            RefusedProblem(
                path=one.path[:TEXT_CHARS_MAX],
                problem=one.problem[:TEXT_CHARS_MAX],
                expected=one.expected[:TEXT_CHARS_MAX],
            )
            for one in problems[:PROBLEMS_MAX]
        )
        head = b"" if withheld else head
        return cls(
            at=at, producer=producer, peer=peer, refusal=refusal, problems=told, size_bytes=size_bytes,
            head_bytes=len(head), withheld=withheld, head=head,
        )  # fmt: skip

    def file_content(self) -> bytes:
        """The bytes of its file."""
        return self.model_dump_json().encode() + b"\n" + self.head

    @classmethod
    def of_file(cls, number: int, content: bytes) -> Self | None:
        """What such a file says; None for one that a power cut tore, or that is not ours."""
        line, _, head = content.partition(b"\n")
        try:
            found = cls.model_validate_json(line)
        except ValidationError:
            return None
        if len(head) != found.head_bytes:
            return None
        return found.model_copy(update={"number": number, "head": head})


def head_of(body: bytes) -> bytes:
    """The part of a body that may be kept. Of a longer one it ends between two values.

    A card number that is cut in two would not be known for one.
    """
    if len(body) <= HEAD_BYTES_MAX:
        return bytes(body)
    head = body[:HEAD_BYTES_MAX]
    return head[: 1 + max(head.rfind(mark) for mark in (b'"', b",", b":", b"\n"))]
