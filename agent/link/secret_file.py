"""A key or password that the settings of the link name: for its owner only."""

from pathlib import Path

from agent.link.errors import LinkMisconfigured
from agent.private_file import PrivateFileUnusable, read_private

__all__ = ["read_secret"]


def read_secret(what: str, file: str) -> bytes:
    """The content; `what` is told with every refusal, such as `key file`.

    Raises:
        LinkMisconfigured: there is none, others can read or write it, or this user cannot read it.
    """
    try:
        return read_private(Path(file))
    except FileNotFoundError:
        raise LinkMisconfigured(f"{what} {file}: No such file or directory") from None
    except PrivateFileUnusable as unusable:
        raise LinkMisconfigured(f"{what}: {unusable}") from unusable
