"""A tiny history: two tastes, a split, and what is asked after it."""

from random import Random

from agent.decide.history import SoldBasket

DAY_S = 86_400.0
SPLIT_S = 100 * DAY_S


def history() -> list[SoldBasket]:
    """100 days of ten households at two stores, then ten days that ask."""
    random = Random(2)
    sold = []
    for number in range(1_100):
        household = random.randrange(10)
        favourites = range(8) if household % 2 else range(8, 16)
        skus = [f"s{item:02d}" for item in favourites if random.random() < 0.6]
        skus += [f"s{item:02d}" for item in range(16) if random.random() < 0.1]
        if skus:
            at_s = number * DAY_S / 10
            sold.append(SoldBasket(f"b{number}", at_s, f"h{household}", tuple(dict.fromkeys(skus)), household % 2))
    return sold
