"""One fixed binary tree over the parts of a minibatch, in which their gradients are added.

A sum of floating-point numbers depends on its order. Here the order is settled by the number of parts alone: the first
2^k of them, 2^k as large as leaves a rest, and the rest, each added in the same way. Parts that lie side by side are
few branches of the tree, and those of a rank that has 1, 2, 4, … beside others with as many are one.
"""

from collections.abc import Mapping

import numpy as np

Node = tuple[int, int]  # the parts from the first number up to the second


def middle(node: Node) -> int:
    """Where a node of more than one part is split."""
    first, end = node
    return first + (1 << ((end - first - 1).bit_length() - 1))


def own_parts(count: int, rank: int, size: int) -> Node:
    """Which of `count` parts a rank computes; an empty node where there are more ranks than parts."""
    return rank * count // size, (rank + 1) * count // size


def branches(count: int, own: Node) -> list[Node]:
    """The largest nodes of the tree over `count` parts that hold `own` parts alone, from left to right."""

    def within(node: Node) -> list[Node]:
        if node[0] >= own[1] or node[1] <= own[0]:
            return []
        if own[0] <= node[0] and node[1] <= own[1]:
            return [node]
        return within((node[0], middle(node))) + within((middle(node), node[1]))

    return within((0, count)) if count else []


def siblings(count: int, left: Node, right: Node) -> bool:
    """Whether the two are what one node of the tree over `count` parts was split into."""
    node = (0, count)
    while node[1] - node[0] > 1:
        cut = middle(node)
        if (node[0], cut) == left and (cut, node[1]) == right:
            return True
        node = (cut, node[1]) if left[0] >= cut else (node[0], cut)
    return False


def add_in_tree(pieces: Mapping[Node, np.ndarray], node: Node) -> np.ndarray:
    """The sum over a node, of pieces that are its branches; some of them are written over."""
    if node in pieces:
        return pieces[node]
    cut = middle(node)
    left, right = add_in_tree(pieces, (node[0], cut)), add_in_tree(pieces, (cut, node[1]))
    return np.add(left, right, out=left)
