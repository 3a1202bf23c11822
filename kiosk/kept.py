"""The one small file of a kiosk: the taps that are not done yet, sent after a restart, and what it showed last."""

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import EnvironmentFault
from kiosk.kept_screen import KeptScreen
from kiosk.state import POSTS_MAX, Add, AddState, Post, State

__all__ = ["KEPT_VERSION", "Kept", "KeptUnusable", "kept_of", "read_kept", "restore", "write_kept"]

KEPT_VERSION: Final = 1
BYTES_MAX: Final = 1_048_576

logger = logging.getLogger(__name__)


class KeptUnusable(EnvironmentFault):
    """The file cannot be written; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Posts by a finger that the agent has not taken, requests that the till has not answered, and the screen."""

    posts: tuple[Post, ...] = ()
    adds: tuple[Add, ...] = ()
    screen: KeptScreen | None = None


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
    screen: Any = None  # Any: JSON, judged on its own: a screen that cannot be read costs no tap


def kept_of(state: State) -> Kept:
    """The taps that must survive the kiosk's end; the screen is kept less often."""
    posts = tuple(post for post in state.posts if post.tap)
    return Kept(posts, tuple(add for add in state.adds if add.ended_s is None))


def restore(state: State, kept: Kept, at: datetime) -> State:
    """A new kiosk's state with taps and screen of the one before. What could still be undone then is now for good."""
    state = replace(state, posts=kept.posts, adds=kept.adds)
    return kept.screen.restored(state, at) if kept.screen is not None else state


def read_kept(file: Path) -> Kept:
    """What the file holds; nothing when there is none, or one that cannot be read, which is laid aside."""
    try:
        content = file.read_bytes()[: BYTES_MAX + 1]
        found = _KeptFile.model_validate_json(content)
    except FileNotFoundError:
        return Kept()
    except (OSError, ValidationError) as error:
        logger.warning("%s cannot be read (%s): starting blank, it is laid aside", file, type(error).__name__)
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
    return Kept(tuple(posts), tuple(adds), _screen(found.screen, file))


def write_kept(file: Path, kept: Kept) -> None:
    """Put this in place of what was kept before: whole, or not at all, also through a power cut.

    Raises:
        KeptUnusable
    """
    draft = file.with_name(f".{file.name}.draft")
    try:
        file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(_encoded(kept))
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


def _screen(document: Any, file: Path) -> KeptScreen | None:  # Any: JSON
    if document is None:
        return None
    try:
        return KeptScreen.model_validate(document)
    except ValidationError as error:
        logger.warning("%s: the screen cannot be read (%d problems): starting blank", file, error.error_count())
        return None


def _encoded(kept: Kept) -> bytes:
    """Without the screen when that would make the file too large to be read again."""
    encoded = json.dumps(_document(kept), ensure_ascii=False).encode()
    if len(encoded) <= BYTES_MAX or kept.screen is None:
        return encoded
    return _encoded(replace(kept, screen=None))


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
        "screen": kept.screen.model_dump(mode="json", exclude_defaults=True) if kept.screen is not None else None,
    }
