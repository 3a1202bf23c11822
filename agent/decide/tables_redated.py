"""Baskets that were learned while the clock was ahead, dated as of now: no age is below zero.

Left as they are, they would outweigh all others until their date comes: one of a clock that was 400 days ahead, 20,000
times. What cannot be worked out again from the kept baskets, a customer's rates, is held to what it can be at most.
"""

import sqlite3
from functools import partial
from typing import Final

from agent.decide.decay import CUSTOMER_HALF_LIFE_D, POPULARITY_HALF_LIFE_D, decay_weight

__all__ = ["redate"]

_WEIGH_ITEMS: Final = """
UPDATE item SET rate = (
    SELECT sum(weight_of(min(basket.at_s, ?1))) FROM line JOIN basket ON basket.number = line.basket
    WHERE line.item = item.number
)
WHERE number IN (SELECT line.item FROM line JOIN basket ON basket.number = line.basket WHERE basket.at_s > ?1)
"""
_WEIGH_CUSTOMERS: Final = """
UPDATE customer SET rate = min(rate, baskets * ?2) WHERE number IN (SELECT customer FROM habit WHERE last_s > ?1)
"""
_WEIGH_HABITS: Final = """
UPDATE habit SET rate = min(rate, baskets * ?2), first_s = min(first_s, ?1), last_s = min(last_s, ?1) WHERE last_s > ?1
"""
_DATE_BASKETS: Final = "UPDATE basket SET at_s = ?1 WHERE at_s > ?1"


def redate(connection: sqlite3.Connection, now_s: int) -> int:
    """Inside a transaction: whatever is dated after `now_s` counts as of then; how many baskets."""
    weight_of = partial(decay_weight, half_life_d=POPULARITY_HALF_LIFE_D)
    connection.create_function("weight_of", 1, weight_of, deterministic=True)
    connection.execute(_WEIGH_ITEMS, (now_s,))
    weight = decay_weight(now_s, CUSTOMER_HALF_LIFE_D)
    connection.execute(_WEIGH_CUSTOMERS, (now_s, weight))
    connection.execute(_WEIGH_HABITS, (now_s, weight))
    return connection.execute(_DATE_BASKETS, (now_s,)).rowcount
