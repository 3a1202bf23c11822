"""The small file of taps that are not done yet, so that a kiosk killed in mid-tap sends them after its restart."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import EnvironmentFault
from kiosk.state import POSTS_MAX, Add, AddState, Post, State

__all__ = ["KEPT_VERSION", "Kept", "KeptUnusable", "kept_of", "read_kept", "restore", "write_kept"]

KEPT_VERSION: Final = 1
BYTES_MAX: Final = 1_048_576


class KeptUnusable(EnvironmentFault):
    """The file of taps cannot be written; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Posts by a finger that the agent has not taken, and requests that the till has not answered."""

    posts: tuple[Post, ...] = ()
    adds: tuple[Add, ...] = ()


class _KeptPost(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    path: str = Field(pattern=r"^/v1/[\w./:@-]+$")
    body: dict[str, Any]  # Any: JSON
    request_id: str = ""


class _KeptAdd(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    request_id: str
    basket_id: str
    sku: str
    kind: Literal["add_item", "remove_item"]


class _KeptFile(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal[1]
    posts: list[_KeptPost] = Field(max_length=POSTS_MAX)
    adds: list[_KeptAdd] = Field(max_length=POSTS_MAX)


def kept_of(state: State) -> Kept:
    """What of a state must survive the kiosk's end."""
    posts = tuple(post for post in state.posts if post.tap)
    return Kept(posts, tuple(add for add in state.adds if add.ended_s is None))


def restore(state: State, kept: Kept) -> State:
    """A new kiosk's state with the taps of the one before. What could still be undone then is now for good."""
    return replace(state, posts=kept.posts, adds=kept.adds)


def read_kept(file: Path) -> Kept:
    """The taps of the file; none when there is no file, or one that cannot be read, which is laid aside."""
    try:
        content = file.read_bytes()[: BYTES_MAX + 1]
        found = _KeptFile.model_validate_json(content)
    except FileNotFoundError:
        return Kept()
    except (OSError, ValidationError):
        with suppress(OSError):
            file.replace(file.with_name(f"{file.name}.unreadable"))
        return Kept()
    posts = (Post(post.id, post.path, post.body, tap=True, request_id=post.request_id) for post in found.posts)
    waiting = {post.id for post in found.posts}
    adds = (
        Add(
            add.request_id,
            add.basket_id,
            add.sku,
            add.kind,
            AddState.KEPT if add.request_id in waiting else AddState.PENDING,
        )
        for add in found.adds
    )
    return Kept(tuple(posts), tuple(adds))


def write_kept(file: Path, kept: Kept) -> None:
    """Put the taps in place of the older ones: whole, or not at all, also through a power cut.

    Raises:
        KeptUnusable
    """
    draft = file.with_name(f".{file.name}.draft")
    try:
        file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(json.dumps(_document(kept), ensure_ascii=False).encode())
            opened.flush()
            os.fsync(descriptor)
        draft.replace(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeptUnusable(f"cannot write {file} ({error.strerror})") from error


def _document(kept: Kept) -> Mapping[str, Any]:  # Any: JSON
    return {
        "version": KEPT_VERSION,
        "posts": [
            {"id": post.id, "path": post.path, "body": dict(post.body), "request_id": post.request_id}
            for post in kept.posts
        ],
        "adds": [
            {"request_id": add.request_id, "basket_id": add.basket_id, "sku": add.sku, "kind": add.kind}
            for add in kept.adds
        ],
    }
