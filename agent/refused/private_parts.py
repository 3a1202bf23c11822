"""What a refused body seems to hold that must not be kept. It was refused, so its own structure says nothing.

This looks at bare text: what stopped the strict decoder may stand before what is looked for here. No such look can
find every secret, which is why keeping is off unless asked for.
"""

import re
from collections.abc import Sequence
from typing import Final

from agent.card_guard import card_data_in, is_card_key
from agent.errors import Problem

__all__ = ["private_part"]

_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_POWER: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?[eE]\+?[0-9]{1,2}(?![0-9])")
# Broken JSON may have other quotes or none; forms have `=`.
_KEY: Final = re.compile(r"([A-Za-z][A-Za-z0-9 _.-]{1,30}?)[\"']?\s{0,8}[:=]")
_RAW_CUSTOMER: Final = re.compile(
    r"customer[ _.-]?(?:id|no|number)?[\"']?\s{0,8}[:=](?!\s{0,8}(?:null\b|[\"']?p1:[0-9a-f]{32}\b))", re.IGNORECASE
)


def private_part(head: bytes, problems: Sequence[Problem]) -> str:
    """`card data`, `a customer's own id`, or "" for neither.

    `problems` are those that the call was refused for: a customer's field that is not a pseudonym is among them.
    """
    text = head.decode("utf-8", "replace").replace("\x00", "")  # other encodings put NULs between digits
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    if _has_card_data(text):
        return "card data"
    named = any("customer" in problem.path.rpartition(".")[2].lower() for problem in problems)
    return "a customer's own id" if named or _RAW_CUSTOMER.search(text) else ""


def _has_card_data(text: str) -> bool:
    return (
        card_data_in("", text)
        or any(is_card_key(key) for key in _KEY.findall(text))
        or any(card_data_in("", f"{float(number):.0f}") for number in _POWER.findall(text))
    )
