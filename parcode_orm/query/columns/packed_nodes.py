"""Nodes in the heads of many row groups, packed end to end, and what is sought in all of them at once.

A node is a number, its place among the nodes of all; `NOWHERE` is none. What a function finds it puts into an array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...codec.structs import MISSING
from ...format.layout import NODE, Encoding, NodeFlag
from ...native import compiled

NODES = np.dtype(
    [
        *((name, "u1") for name in ("encoding", "compression", "width", "flags")),
        *((name, "<u4") for name in ("span", "count", "param")),
        *((name, "<u8") for name in ("place", "stored", "raw", "checksum")),
        ("low", "V16"),
        ("high", "V16"),
    ]
)
assert NODES.itemsize == NODE.size
NOWHERE = -1
STATISTICS = int(NodeFlag.STATISTICS)
STRUCT, OPTIONAL, CONSTANT, DICTIONARY = map(
    int, (Encoding.STRUCT, Encoding.OPTIONAL, Encoding.CONSTANT, Encoding.DICTIONARY)
)
_DEEPEST = 4  # nodes that stand around the values of a column


def _child(nodes: Any, ends: Any, at: Any, place: int) -> Any:
    spans = nodes["span"]
    last = len(spans) - 1
    stops = np.where(at < 0, 0, at + spans[at])
    found = at + 1
    for _ in range(place):
        found = np.where(found < stops, found + spans[np.minimum(found, last)], found)
    return np.where((found < stops) & (stops <= ends) & (found <= last), found, NOWHERE)


@compiled
def find_nodes(packed: bytes, ends: Any, at: Any, places: tuple[int, ...], found: Any) -> None:
    """Go from each of some nodes to a child, and on from there; `NOWHERE` where there is none.

    Args:
        packed: the entries of all nodes, at least one.
        ends: for each of the nodes, the end of the nodes of its row group, an array of int64.
        at: the nodes, an array of int64.
        places: which child to go to in each step. From the second on, the nodes are structs that lack no field.
        found: for the nodes that are found, an array of int64.
    """
    nodes = np.frombuffer(packed, NODES)
    for step, place in enumerate(places):
        if step:
            whole = (nodes["encoding"][at] == STRUCT) & (nodes["param"][at] & MISSING == 0)
            at = np.where(whole, at, NOWHERE)
        at = _child(nodes, ends, at, place)
    found[:] = at


@compiled
def find_statistics(packed: bytes, ends: Any, at: Any, found: Any, nulls: Any) -> None:
    """Go from each of some nodes to the one with its statistics, below what stands around it; `NOWHERE` without any.

    Args:
        packed: the entries of all nodes, at least one.
        ends: for each of the nodes, the end of the nodes of its row group, an array of int64.
        at: the nodes, an array of int64.
        found: for the nodes that are found, an array of int64.
        nulls: becomes true where there are Nones, an array of bools.
    """
    nodes = np.frombuffer(packed, NODES)
    for _ in range(_DEEPEST):
        encodings = nodes["encoding"][at]
        there = (at < 0) | (nodes["flags"][at] & STATISTICS != 0)
        if there.all():
            break
        optional = (encodings == OPTIONAL) & ~there
        nulls |= optional & (nodes["param"][at] > 0)
        below = np.where(optional | (encodings == CONSTANT), _child(nodes, ends, at, 0), NOWHERE)
        below = np.where(encodings == DICTIONARY, _child(nodes, ends, at, 1), below)
        at = np.where(there, at, below)
    found[:] = np.where((at >= 0) & (nodes["flags"][at] & STATISTICS != 0), at, NOWHERE)
