"""The messages of the kiosk's sources: what is asked of `words.text` and `words.count`, in Python and in kv."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.sources import ROOT, python_files

__all__ = ["messages_of_the_sources"]

_KV_CALL: Final = re.compile(r"""app\.words\.text\((['"])(.*?)\1""")


def messages_of_the_sources() -> set[str]:
    """Every message as catalogues name it: a counted one is `one NUL many`."""
    return {message for path, text in python_files(["kiosk"]) for message in _in_python(path, text)} | {
        found[1]
        for path in (ROOT / "kiosk").rglob("*.kv")
        for found in _KV_CALL.findall(path.read_text(encoding="utf-8"))
    }


def _in_python(path: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source, path)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="text", value=ast.Name(id="words") | ast.Attribute(attr="words")),
                args=[ast.Constant(value=str(message))],
            ):
                yield message
            case ast.Call(
                func=ast.Attribute(attr="count", value=ast.Name(id="words") | ast.Attribute(attr="words")),
                args=[ast.Constant(value=str(one)), ast.Constant(value=str(many)), _],
            ):
                yield f"{one}\0{many}"
