"""Whether nodes and edges of an order make one way through a graph, as the schemas do not check (2.1: 6.6.1)."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, pairwise, zip_longest

from agent.fleet.errors import ErrorType
from agent.fleet.model import Edge, Node, Order
from agent.fleet.order_problem import OrderProblem

__all__ = ["graph_problems"]

Element = tuple[str, Node | Edge]
"""A node or an edge with its path in the message."""


def graph_problems(order: Order) -> Iterator[OrderProblem]:
    """What makes an order malformed; later checks trust the earlier ones, so a broken count is the only answer."""
    if not order.nodes:
        yield _malformed("an order has at least one node", "nodes")
    elif len(order.edges) != len(order.nodes) - 1:
        counts = f"{len(order.nodes)} nodes and {len(order.edges)} edges"
        yield _malformed(f"there is one edge fewer than nodes; got {counts}", "edges")
    else:
        way = _way(order)
        yield from _sequence_problems(way)
        yield from _release_problems(way)
        yield from _connection_problems(order)
        yield from _twice(order)


def _way(order: Order) -> list[Element]:
    """Node, edge, node, … in the order of travel."""
    nodes: list[Element] = [(f"nodes[{index}]", node) for index, node in enumerate(order.nodes)]
    edges: list[Element] = [(f"edges[{index}]", edge) for index, edge in enumerate(order.edges)]
    return [element for element in chain.from_iterable(zip_longest(nodes, edges)) if element]


def _sequence_problems(way: list[Element]) -> Iterator[OrderProblem]:
    path, first = way[0]
    if first.sequence_id % 2:
        yield _malformed("nodes have even sequenceIds", f"{path}.sequenceId")
    for (_, before), (path, element) in pairwise(way):
        if element.sequence_id != before.sequence_id + 1:
            yield _malformed(
                f"sequenceIds run over nodes and edges by turns: {element.sequence_id} after {before.sequence_id}",
                f"{path}.sequenceId",
            )


def _release_problems(way: list[Element]) -> Iterator[OrderProblem]:
    """The base is a beginning of the way that ends on a node; so a released edge has two released ends."""
    path, first = way[0]
    if not first.released:
        yield _malformed("the first node is released", f"{path}.released")
    for (_, before), (path, element) in pairwise(way):
        if element.released and not before.released:
            yield _malformed("nothing is released after what is not", f"{path}.released")
        if before.released and not element.released and isinstance(before, Edge):
            yield _malformed("a released edge ends at a released node", f"{path}.released")


def _connection_problems(order: Order) -> Iterator[OrderProblem]:
    for index, (edge, (start, end)) in enumerate(zip(order.edges, pairwise(order.nodes), strict=True)):
        for name, node_id, node in (
            ("startNodeId", edge.start_node_id, start),
            ("endNodeId", edge.end_node_id, end),
        ):
            if node_id != node.node_id:
                yield _malformed(
                    f"edge {edge.edge_id[:60]!r} leads from {start.node_id[:60]!r} to {end.node_id[:60]!r}",
                    f"edges[{index}].{name}",
                )


def _twice(order: Order) -> Iterator[OrderProblem]:
    times = Counter(action.action_id for action in order.actions)
    for action_id, count in times.items():
        if count > 1:
            yield OrderProblem(
                ErrorType.VALIDATION, f"{count} actions have the same actionId", about=(("actionId", action_id),)
            )


def _malformed(description: str, path: str) -> OrderProblem:
    return OrderProblem(ErrorType.VALIDATION, description, fields=(path,))
