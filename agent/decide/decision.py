"""What is asked of the decision engine and what it answers, as frozen values."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.catalogue import Product

__all__ = ["SLOTS_MAX", "Decision", "DecisionRequest", "Reason", "ReasonKind", "Removed", "Rule", "Suggestion"]

SLOTS_MAX: Final = 10  # five cards, and some to follow without another question


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """One question. `arrived_s` is a monotonic reading: the deadline counts from there."""

    decision_id: str
    till_id: str
    basket_id: str | None
    skus: tuple[str, ...]
    customer: str | None
    slots: int
    deadline_ms: int
    arrived_s: float


class ReasonKind(StrEnum):
    """Why something is suggested."""

    BOUGHT_WITH = "bought_with"
    USUAL = "usual"
    POPULAR = "popular"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, with this shop's own counts: `baskets` of `of`; `every_days` and `baskets` for a habit."""

    kind: ReasonKind
    text: str
    baskets: int
    of: int | None = None
    with_sku: str | None = None
    with_name: str | None = None
    every_days: int | None = None


class Rule(StrEnum):
    """What may take a product out."""

    UNKNOWN = "not_in_catalogue"
    OUT_OF_STOCK = "out_of_stock"
    DISMISSED = "dismissed"
    CAPPED = "shown_often_today"
    NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True, slots=True)
class Removed:
    """A product that would have been suggested, and the rule that took it out."""

    sku: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One slot. `product` is None in a shop without a catalogue."""

    sku: str
    score: float
    reason: Reason
    propensity: float
    product: Product | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer. A late one has no items: nobody may show them."""

    decision_id: str
    items: tuple[Suggestion, ...]
    model_version: str
    took_ms: float
    late: bool = False
    trace: tuple[Removed, ...] = ()
