"""A vehicle type for tests whose pick may run beside everything."""

from typing import Final

from agent.fleet import ActionAbility, ActionScope, BlockingType, VehicleType

ANY_BLOCKING: Final = VehicleType(
    "any", actions=(ActionAbility("pick", frozenset({ActionScope.NODE}), frozenset(BlockingType)),)
)
