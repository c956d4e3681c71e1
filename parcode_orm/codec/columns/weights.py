"""How much room values take with everything below them, which decides whether one is stored alone.

A weight is in bytes: what a value's columns take, at every depth, and `ROW` for each object of a
class, as objects cost time to write again however little they hold. Tables and extents of their own
do not count.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from itertools import accumulate, chain, islice, pairwise
from typing import Any

from ...errors import CorruptionError, EncodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding
from .. import kernels
from ..apart import spaced, types_of
from ..base import ATOMS, Column, scratch
from ..cycles import get_dict
from ..stream import is_stream
from ..structs import Struct
from ..unpack import unpack_bits
from ..views.boundary import Kept, Marked
from ..views.stretch import Stretch
from ..views.struct import StructView
from .mixed import Mixed, MixedPairs, Part

ROW = 16
FEW, MOST = 8, 2048  # objects, and bytes, that need not be encoded to be weighed
LONG = 1 << 63  # from which on an int takes more than eight bytes
LEVELS = 3  # collections inside each other that are weighed without encoding what changed in them
SAMPLE = 64  # items that the weight of a long collection is estimated from
_BLOCKS = frozenset({Encoding.TEXT, Encoding.BYTES, Encoding.BIGINT, Encoding.PACKED})


def weigh(column: Column, values: Sequence[Any]) -> list[float]:
    """The weight of each of `values`; 0 for all where `column` refuses one."""
    count = len(values)
    out = scratch()
    try:
        column.encode(values, out)
    except EncodeError:
        return [0.0] * count
    sums = _sums(out, 0, range(count + 1))
    return [b - a for a, b in pairwise(sums)]


def weigh_items(column: Marked, values: Any, levels: int = LEVELS) -> float:
    """The weight of one list's items or one dictionary's pairs; of many, estimated by a sample."""
    shape: Any = column.shape
    if type(values) is MixedPairs:
        keys = list(values)
        return weigh_keys(shape.key, keys) + weigh_parts(shape.value, values.mixed.parts, levels)
    if type(values) is Mixed:
        return weigh_parts(shape.item, values.parts, levels)
    count = len(values)
    if count <= SAMPLE:
        if type(values) not in (list, dict):  # a lazy one, which may lie in a table
            values = dict(values.items()) if hasattr(values, "items") else list(values)
        return weigh(column.inner, [values])[0]
    step = count // SAMPLE
    sample: Any
    rows = getattr(values, "rows", None)
    if rows is not None:  # of a lazy collection, which holds what it hands out
        places = range(0, step * SAMPLE, step)
        sample = [rows.read(at, at + 1)[0] for at in places]
        sample = dict(zip(map(rows.key_at, places), sample, strict=True)) if hasattr(values, "items") else sample
    elif hasattr(values, "items"):
        whole = type(values) is dict
        sample = spaced(values, step, SAMPLE) if whole else dict(islice(values.items(), 0, step * SAMPLE, step))
    else:
        sample = list(values[: step * SAMPLE : step])
    return weigh(column.inner, [sample])[0] * count / len(sample)


def weigh_parts(column: Column, parts: Sequence[Part], levels: int = LEVELS) -> float:
    """The weight of values of which some are stored."""
    return sum([_weigh_part(column, part, levels) for part in parts])


def _weigh_part(column: Column, part: Part, levels: int) -> float:
    if isinstance(part, Stretch):
        return _weigh_stretch(part)
    if len(part) <= FEW and (most := _at_most(column, part, levels)) is not None:
        return most
    if len(part) <= SAMPLE:
        return sum(weigh(column, part))
    step = len(part) // SAMPLE
    return sum(weigh(column, part[: step * SAMPLE : step])) * len(part) / SAMPLE


def weigh_keys(column: Column, keys: list[Any]) -> float:
    """The weight of the keys of a dictionary, or nearly."""
    if types_of(keys) == {str}:
        return float(sum(map(len, keys)) + 4 * len(keys))
    return _weigh_part(column, keys, 0)


def _at_most(column: Column, values: list[Any], levels: int) -> float | None:
    """An upper bound, or nearly, of what a few objects weigh; None where they must be encoded to tell.

    A lazy object weighs what it has stored and what it has in memory. `_weigh_lazy` weighs its marked fields, at most
    `levels` of them inside each other: an object may hold itself, and only encoding finds that.
    """
    if not isinstance(column, Struct) or not levels:
        return None
    found, below = 0, 0.0
    for value in values:
        cls: Any = type(value)
        if cls.__dict__.get("_p_model_", cls) not in column.exact:
            return None
        fields = get_dict(value) if column.pydantic else getattr(value, "__dict__", None)
        if fields is None:
            return None
        found += ROW
        if hasattr(cls, "_p_stored_"):
            view, _ = cls._p_stored_(value)
            if type(view) is not StructView:
                return None
            below += _weigh_row(view, fields)
        for name, each in fields.items():
            if type(each) is str or type(each) is bytes:
                found += 4 * len(each)
            elif type(each) in ATOMS:
                found += 9
            elif getattr(type(each), "_p_lazy_", False) and name in column.places:
                field = column.places[name][1]
                if not isinstance(field, Marked) or not (field.is_list or field.is_map):
                    return None
                below += _weigh_lazy(field, each, levels - 1)
            else:
                size = _plain_at_most([each], LEVELS)
                if size is None:
                    return None
                found += size
    return found + below if found < MOST else None


def _plain_at_most(values: list[Any], levels: int) -> int | None:
    """An upper bound of what atoms take, or lists and dictionaries of atoms, at most `levels` inside each other."""
    types = types_of(values)
    if types == {int}:
        low, high = min(values), max(values)
        return len(values) * kernels.width_of(low, high)[0] if -LONG <= low and high < LONG else None
    if types <= ATOMS:
        if int in types and not all(-LONG <= value < LONG for value in values if type(value) is int):
            return None
        return 9 * len(values) + 4 * sum([len(value) for value in values if type(value) in (str, bytes)])
    if len(types) > 1 or not types <= {list, dict} or not levels:
        return None
    inside = [list(chain.from_iterable(values))]
    if dict in types:
        inside.append(list(chain.from_iterable(map(dict.values, values))))
    found = 8 * len(values)
    for each in inside:
        size = _plain_at_most(each, levels - 1)
        if size is None:
            return None
        found += size
    return found


def _weigh_row(view: StructView, known: Collection[str]) -> float:
    """The weight of a stored row, on average of its chunk, without what is below its marked fields `known`."""
    chunk, at, places = view.chunk, view.at, view.column.places
    children = chunk.children(at)
    apart = {children[places[name][0]] for name in known if name in places and isinstance(places[name][1], Marked)}
    return _chunk_weight(chunk, at, apart) / max(view.count, 1)


def _weigh_stretch(part: Stretch) -> float:
    """The weight of stored values: their share of their chunk and of the chunks below it."""
    view: Any = part.view
    inner = getattr(view, "ref", None)
    if inner is None:
        chunk, at, count = getattr(view, "chunk", None), getattr(view, "at", 0), view.count
    else:
        try:
            chunk, at, count = view.space.chunk(inner), 0, view.count
        except CorruptionError:  # it is referred to where it is
            return 0.0
    return _chunk_weight(chunk, at) * (part.stop - part.start) / max(count, 1) if chunk is not None else 0.0


def _chunk_weight(chunk: Chunk, at: int, apart: Collection[int] = ()) -> float:
    nodes = chunk.nodes[at : at + chunk.nodes[at].span]
    here = sum([node.raw + (ROW * node.count if node.encoding == Encoding.STRUCT else 0) for node in nodes])
    references = [node for i, node in enumerate(nodes, at) if node.encoding == Encoding.REFERENCE and i not in apart]
    return here + sum([chunk.refs[node.param].length for node in references])


def together(column: Marked, values: Any, out: Encoder) -> None:
    """Append, for `_sums`, what the values of a marked field weigh."""
    weights: list[float] = []
    for part in values.parts if type(values) is Mixed else [values]:
        if isinstance(part, Stretch):
            weights += [_weigh_places(part.view, row) for row in range(part.start, part.stop)]
        else:
            weights += _weigh_values(column, part)
    sums = accumulate(map(round, weights), initial=0)
    out.leaf(Encoding.RAW, len(weights), memoryview(array("q", sums)).cast("B"))


def _weigh_values(column: Marked, values: Sequence[Any]) -> list[float]:
    special = {t for t in types_of(values) if is_stream(t) or getattr(t, "_p_lazy_", False)}
    if not special:
        return weigh(column.inner, values)
    plain = iter(weigh(column.inner, [value for value in values if type(value) not in special]))
    return [_weigh_lazy(column, value) if type(value) in special else next(plain) for value in values]


def _weigh_lazy(column: Marked, value: Any, levels: int = LEVELS) -> float:
    if is_stream(type(value)):
        return 0.0
    known = value.known.value if type(value) is Kept else value
    if hasattr(type(known), "_p_mixed_"):
        found = known._p_mixed_()
        return 0.0 if found is None else weigh_items(column, found, levels)
    return _weigh_places(value.view, value.row)


def _weigh_places(view: Any, row: int) -> float:
    return sum([_weigh_stretch(place) for place in view.places(row, row + 1) if isinstance(place, Stretch)])


def _sums(out: Encoder, at: int, bounds: Sequence[int]) -> list[float]:
    """What the first `b` values of the node `at` weigh, for each `b` of `bounds`."""
    encoding, width, _, span, count, *_ = out.entries[at]
    data = out.buffers[at]
    if not count or encoding in (Encoding.EMPTY, Encoding.CONSTANT):
        return [0.0] * len(bounds)
    if encoding == Encoding.RAW:
        running = memoryview(data).cast("B").cast("q")
        return [float(running[b]) for b in bounds]
    if encoding == Encoding.STRUCT:
        parts = [_sums(out, child, bounds) for child in _children(out, at)]
        return list(map(sum, zip([float(ROW * b) for b in bounds], *parts, strict=True)))
    if encoding in _BLOCKS or encoding in (Encoding.LIST, Encoding.MAP):
        child, *items = _children(out, at)
        width = out.entries[child][1]
        offsets = kernels.cast(memoryview(out.buffers[child]), kernels.UNSIGNED[width])
        within: list[int] = [offsets[b] for b in bounds]
        parts = [_sums(out, item, within) for item in items] or [list(map(float, within))]
        return list(map(sum, zip([float(width * b) for b in bounds], *parts, strict=True)))
    if encoding == Encoding.OPTIONAL:
        (child,) = _children(out, at)
        flags = unpack_bits(memoryview(data), 0, count) if data else [False] * count
        ranks = list(accumulate(flags, initial=0))
        return _sums(out, child, [ranks[b] for b in bounds])
    if encoding == Encoding.DICTIONARY:
        numbers, known = _children(out, at)
        width = out.entries[numbers][1]
        codes = kernels.cast(memoryview(out.buffers[numbers]), kernels.UNSIGNED[width]).tolist()
        ends = _sums(out, known, range(out.entries[known][4] + 1))
        fresh = [0.0] * (count + 1)
        for code in dict.fromkeys(codes):  # each distinct value counts where it first occurs
            fresh[codes.index(code) + 1] = ends[code + 1] - ends[code]
        sums = list(accumulate(fresh))
        return [width * b + sums[b] for b in bounds]
    size = sum(map(len, out.buffers[at : at + span]))
    return [size * b / count for b in bounds]


def _children(out: Encoder, at: int) -> list[int]:
    end = at + out.entries[at][3]
    found = []
    child = at + 1
    while child < end:
        found.append(child)
        child += out.entries[child][3]
    return found
