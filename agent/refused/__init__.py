"""Bodies of refused events, kept for some days where settings ask for it: to find out what a producer sends."""

from agent.refused.bodies import RefusedBodies
from agent.refused.body import RefusedBody
from agent.refused.shelf import RefusedShelf, ShelfUnusable

__all__ = ["RefusedBodies", "RefusedBody", "RefusedShelf", "ShelfUnusable"]
