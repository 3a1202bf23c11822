"""The decision engine: from a question to suggestions with reasons, by look-ups in the learned tables.

The ladder: the solved model with the customer's habits; without a model, the habits alone; then what is popular; then
nothing. What may not be shown is taken out in the order of the ranking, and each removal is kept.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Final

from agent.catalogue import Product
from agent.decide.blend import Blend
from agent.decide.decision import Decision, DecisionRequest, Reason, Removed, Rule, Suggestion
from agent.decide.exposure import Exposure
from agent.decide.reasons import reasons_of
from agent.decide.tables_model import LearnedModel, OnSale, Shopper
from agent.decide.tables_shelf import Shelf

__all__ = ["CANDIDATES_MAX", "DecisionEngine", "Ranking"]

CANDIDATES_MAX: Final = 200
CANDIDATES_PER_LOOK: Final = 8  # asked of the tables at once; most questions need no second look
REASONS_TRIED_MAX: Final = 36  # beyond that there is nothing worth a reason
POPULAR_MAX: Final = 50
EXPLORED_SHARE: Final = 0.1  # of baskets: one place is drawn, so that what is never shown can be learned of
EXPLORED_PLACE: Final = 2  # from 0: the third card is the last that every kiosk shows
EXPLORED_AMONG: Final = 5


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates with their scores, the best first, and what they were made from."""

    scored: Sequence[tuple[int, float]]
    version: str
    blend: Blend
    shopper: Shopper | None


@dataclass(frozen=True, slots=True)
class _Eligible:
    sku: str
    product: Product | None
    score: float
    reason: Reason


class DecisionEngine:
    """Answers one question at a time, on one thread."""

    def __init__(self, learned: LearnedModel, shelf: Shelf) -> None:
        self._learned = learned
        self._shelf = shelf

    def decide(self, request: DecisionRequest, exposure: Exposure) -> Decision:
        """Up to `slots` suggestions; `took_ms` and `late` are for the caller, who has the clock.

        Raises:
            LearnedUnreadable, CatalogueUnreadable: when a file cannot be read.
        """
        removed: list[Removed] = []
        with self._learned.snapshot():
            ranking = self.rank(request.skus, request.customer)
            wanted = max(request.slots, EXPLORED_PLACE + EXPLORED_AMONG)
            eligible = list(islice(self._eligible(ranking, exposure, removed), wanted))
        chosen = _slate(eligible, request.slots, request.basket_id or request.decision_id)
        items = tuple(Suggestion(one.sku, one.score, one.reason, propensity, one.product) for one, propensity in chosen)
        version = ranking.version if items else "none"
        return Decision(request.decision_id, items, version, took_ms=0.0, trace=tuple(removed))

    def rank(self, skus: Collection[str], customer: str | None) -> Ranking:
        """Candidates outside the basket, before any rule."""
        basket = self._learned.numbers(skus)
        shopper = self._learned.shopper(customer) if customer is not None else None
        shares = shopper.shares if shopper else {}
        model = self._learned.version()
        neighbours = self._learned.neighbours(model[0], Blend.asked(basket, shares)) if model else {}
        blend = Blend(basket, shares, neighbours)
        scored = blend.ranked(CANDIDATES_MAX)
        version = (model[1] if model else "rates") if scored else "popularity"
        if len(scored) < CANDIDATES_MAX:
            known = basket.union(item for item, _ in scored)
            popular = (item for item in self._learned.popular(POPULAR_MAX) if item not in known)
            scored = [*scored, *((item, 0.0) for item in popular)][:CANDIDATES_MAX]
        return Ranking(scored, version, blend, shopper)

    def skus(self, ranking: Ranking, count: int) -> list[str]:
        """The SKUs of the best candidates."""
        best = [item for item, _ in ranking.scored[:count]]
        on_sale = self._learned.on_sale(best)
        return [on_sale[item].sku for item in best]

    def _eligible(self, ranking: Ranking, exposure: Exposure, removed: list[Removed]) -> Iterator[_Eligible]:
        """Candidates that may be shown, with their reasons; the others go to `removed`."""
        tried = 0
        for first in range(0, len(ranking.scored), CANDIDATES_PER_LOOK):
            look = ranking.scored[first : first + CANDIDATES_PER_LOOK]
            on_sale = self._learned.on_sale([item for item, _ in look])
            products = self._shelf.products([each.sku for each in on_sale.values()])
            without_catalogue = not products and self._shelf.is_empty()
            rules = {
                item: _rule_against(each, products.get(each.sku), exposure, without_catalogue=without_catalogue)
                for item, each in on_sale.items()
            }
            allowed = [item for item, _ in look if rules[item] is None]
            reasons = reasons_of(allowed, ranking.blend, ranking.shopper, self._learned, self._shelf)
            for item, score in look:
                sku = on_sale[item].sku
                if item in reasons:
                    yield _Eligible(sku, products.get(sku), score, reasons[item])
                else:
                    removed.append(Removed(sku, rules[item] or Rule.NO_EVIDENCE))
            tried += len(allowed)
            if tried >= REASONS_TRIED_MAX:
                return


def _rule_against(
    offered: OnSale, product: Product | None, exposure: Exposure, *, without_catalogue: bool
) -> Rule | None:
    if offered.sku in exposure.dismissed:
        return Rule.DISMISSED
    if offered.sku in exposure.capped:
        return Rule.CAPPED
    if product is None and not without_catalogue:
        return Rule.UNKNOWN
    on_hand = offered.on_hand
    if on_hand is None and product is not None and product.stock is not None:
        on_hand = float(product.stock)
    return Rule.OUT_OF_STOCK if on_hand is not None and on_hand <= 0 else None


def _slate(eligible: Sequence[_Eligible], slots: int, seed: str) -> list[tuple[_Eligible, float]]:
    """The best in their order, each with its propensity; in some baskets the third place is drawn.

    The draw follows the basket: its screen stays as it is from scan to scan. From the third place on, the propensity
    is that of the draw.
    """
    pool = eligible[EXPLORED_PLACE : EXPLORED_PLACE + EXPLORED_AMONG]
    if slots <= EXPLORED_PLACE or len(pool) < EXPLORED_AMONG:
        return [(one, 1.0) for one in eligible[:slots]]
    random = Random(seed)  # noqa: S311 - no secret: the draw has to come out again for the same basket
    place = random.randrange(len(pool)) if random.random() < EXPLORED_SHARE else 0
    propensity = EXPLORED_SHARE / len(pool) + (0.0 if place else 1.0 - EXPLORED_SHARE)
    drawn = pool[place]
    first, rest = eligible[:EXPLORED_PLACE], [one for one in eligible[EXPLORED_PLACE:] if one is not drawn]
    slate = [(one, 1.0) for one in first] + [(one, propensity) for one in (drawn, *rest)]
    return slate[:slots]
