"""When a solve is due, and what becomes of a child that fails."""

from pathlib import Path

import pytest

from agent.decide import ModelKeeper, SolveFailed
from agent.decide.solver import FIRST_BASKETS_MIN, GROWTH_INTERVAL_S, MODEL_AGE_MAX_S
from tests.decide.shop import many, open_tables
from tests.log.world import SetClock


async def test_a_first_model_waits_for_enough_baskets_and_grows_old(tmp_path: Path) -> None:
    clock = SetClock()
    with open_tables(tmp_path) as tables:
        keeper = ModelKeeper(tables, clock)
        tables.take(many(FIRST_BASKETS_MIN - 1, "bread", "butter"))
        assert not keeper.is_due()
        tables.take(many(1, "bread", first_key=5_000))
        assert keeper.is_due()
        assert (await keeper.solve()).version == "ease-1"
        assert not keeper.is_due()
        tables.take(many(100, "bread", first_key=10_000))
        assert not keeper.is_due(), "much grown, but new"
        clock.move(seconds=GROWTH_INTERVAL_S)
        assert keeper.is_due()
        await keeper.solve()
        assert not keeper.is_due()
        clock.move(seconds=MODEL_AGE_MAX_S)
        assert keeper.is_due()
        clock.jump(seconds=-3 * MODEL_AGE_MAX_S)
        assert keeper.is_due(), "made by a clock that was wrong"


async def test_a_child_that_fails_leaves_the_model_that_is_there(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables:
        tables.take(many(30, "bread", "butter"))
        keeper = ModelKeeper(tables, SetClock())
        before = await keeper.solve()
        broken = ModelKeeper(tables, SetClock(), items_max=-(2**70))
        with pytest.raises(SolveFailed, match="ended with 1"):
            await broken.solve()
        assert tables.model() == before
