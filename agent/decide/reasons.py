"""Why products are suggested: for each the strongest cause that this shop's own counts bear out, in one sentence."""

from collections.abc import Collection, Mapping
from typing import Final

from agent.decide.blend import Blend, Part
from agent.decide.decision import Reason, ReasonKind
from agent.decide.tables_model import RECENT_BASKETS_MAX, Habit, LearnedModel, Shopper, Together
from agent.decide.tables_shelf import Shelf

__all__ = ["reasons_of"]

TOGETHER_BASKETS_MIN: Final = 2
RHYTHM_BASKETS_MIN: Final = 3  # two gaps make a rhythm
PARTS_ASKED_MAX: Final = 3  # each costs a look-up; a fourth cause carries next to nothing
DAY_S: Final = 86_400.0
NAME_CHARS_MAX: Final = 80


def reasons_of(
    items: Collection[int], blend: Blend, shopper: Shopper | None, learned: LearnedModel, shelf: Shelf
) -> dict[int, Reason]:
    """Each item's strongest cause with evidence, else how popular it is; without items of which nothing can be said."""
    causes = {item: blend.parts(item)[:PARTS_ASKED_MAX] for item in items}
    together: dict[int, tuple[int, Together]] = {}
    habits: dict[int, Habit] = {}
    for rank in range(PARTS_ASKED_MAX):
        asked = {
            item: parts[rank]
            for item, parts in causes.items()
            if rank < len(parts) and item not in together and item not in habits
        }
        together |= _borne_out(asked, learned)
        own = [item for item, part in asked.items() if part.anchor is None]
        if own and shopper:
            habits |= learned.habits(shopper, own)
    rest = [item for item in items if item not in together and item not in habits]
    return (
        _bought_with(together, learned, shelf)
        | {item: _usual(habit) for item, habit in habits.items()}
        | _popular(rest, learned)
    )


def _borne_out(asked: Mapping[int, Part], learned: LearnedModel) -> dict[int, tuple[int, Together]]:
    """Items whose neighbour in question has been bought with them often enough, with that neighbour."""
    pairs = [(part.anchor, item) for item, part in asked.items() if part.anchor is not None]
    counted = learned.together(pairs) if pairs else {}
    return {item: (anchor, seen) for (anchor, item), seen in counted.items() if seen.baskets >= TOGETHER_BASKETS_MIN}


def _bought_with(
    together: Mapping[int, tuple[int, Together]], learned: LearnedModel, shelf: Shelf
) -> dict[int, Reason]:
    if not together:
        return {}
    anchors = learned.on_sale({anchor for anchor, _ in together.values()})
    products = shelf.products([anchor.sku for anchor in anchors.values()])
    found: dict[int, Reason] = {}
    for item, (anchor, seen) in together.items():
        sku = anchors[anchor].sku
        name = (products[sku].name if sku in products else sku)[:NAME_CHARS_MAX]
        of = f"the last {seen.of}" if seen.of == RECENT_BASKETS_MAX else seen.of
        text = f"Bought with {name} in {seen.baskets} of {of} baskets here"
        found[item] = Reason(ReasonKind.BOUGHT_WITH, text, seen.baskets, of=seen.of, with_sku=sku, with_name=name)
    return found


def _usual(habit: Habit) -> Reason:
    if habit.baskets == 1:
        return Reason(ReasonKind.USUAL, "You took this once before", 1)
    days = round((habit.last_s - habit.first_s) / DAY_S / (habit.baskets - 1))
    if habit.baskets < RHYTHM_BASKETS_MIN or days < 1:
        return Reason(ReasonKind.USUAL, f"You took this {habit.baskets} times before", habit.baskets)
    text = "You usually take this every day" if days == 1 else f"You usually take this every {days} days"
    return Reason(ReasonKind.USUAL, text, habit.baskets, every_days=days)


def _popular(items: Collection[int], learned: LearnedModel) -> dict[int, Reason]:
    return {
        item: Reason(
            ReasonKind.POPULAR,
            f"Popular now: in {seen.baskets} of the last {seen.of} baskets here",
            seen.baskets,
            of=seen.of,
        )
        for item, seen in (learned.recent(items) if items else {}).items()
        if seen.baskets >= TOGETHER_BASKETS_MIN
    }
