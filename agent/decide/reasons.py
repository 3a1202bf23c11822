"""Why a product is suggested: the strongest cause that this shop's own counts bear out, in one sentence."""

from typing import Final

from agent.decide.blend import Blend
from agent.decide.decision import Reason, ReasonKind
from agent.decide.tables_model import RECENT_BASKETS_MAX, Habit, LearnedModel, Shopper
from agent.decide.tables_shelf import Shelf

__all__ = ["reason_of"]

TOGETHER_BASKETS_MIN: Final = 2
RHYTHM_BASKETS_MIN: Final = 3  # two gaps make a rhythm
PARTS_ASKED_MAX: Final = 3  # each costs a look-up; a fourth cause carries next to nothing
DAY_S: Final = 86_400.0
NAME_CHARS_MAX: Final = 80


def reason_of(item: int, blend: Blend, shopper: Shopper | None, learned: LearnedModel, shelf: Shelf) -> Reason | None:
    """The strongest cause with evidence, else how popular the product is; None when there is nothing to say."""
    for part in blend.parts(item)[:PARTS_ASKED_MAX]:
        if part.anchor is not None:
            reason = _bought_with(item, part.anchor, learned, shelf)
            if reason is not None:
                return reason
        else:
            assert shopper is not None, "only a known customer has habits"
            return _usual(learned.habit(shopper, item))
    return _popular(item, learned)


def _bought_with(item: int, anchor: int, learned: LearnedModel, shelf: Shelf) -> Reason | None:
    together = learned.together(anchor, item)
    if together.baskets < TOGETHER_BASKETS_MIN:
        return None
    sku = learned.sku(anchor)
    product = shelf.product(sku)
    name = (product.name if product else sku)[:NAME_CHARS_MAX]
    of = f"the last {together.of}" if together.of == RECENT_BASKETS_MAX else together.of
    text = f"Bought with {name} in {together.baskets} of {of} baskets here"
    return Reason(ReasonKind.BOUGHT_WITH, text, together.baskets, of=together.of, with_sku=sku, with_name=name)


def _usual(habit: Habit) -> Reason:
    if habit.baskets == 1:
        return Reason(ReasonKind.USUAL, "You took this once before", 1)
    days = round((habit.last_s - habit.first_s) / DAY_S / (habit.baskets - 1))
    if habit.baskets < RHYTHM_BASKETS_MIN or days < 1:
        return Reason(ReasonKind.USUAL, f"You took this {habit.baskets} times before", habit.baskets)
    text = "You usually take this every day" if days == 1 else f"You usually take this every {days} days"
    return Reason(ReasonKind.USUAL, text, habit.baskets, every_days=days)


def _popular(item: int, learned: LearnedModel) -> Reason | None:
    recent = learned.recent(item)
    if recent.baskets < TOGETHER_BASKETS_MIN:
        return None
    text = f"Popular now: in {recent.baskets} of the last {recent.of} baskets here"
    return Reason(ReasonKind.POPULAR, text, recent.baskets, of=recent.of)
