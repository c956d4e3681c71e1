"""`merged`: the vectors of several row groups as one, in the form that serves all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import ref as weak

import numpy as np

from .vectors import Coded, Constant, Numbers, Objects, Texts, Vector

_WORD = 64  # bytes that a text among the words of a dictionary takes, about
_OF_KIND = {"i": int, "u": int, "f": float, "b": bool}


def merged(vectors: Sequence[Vector]) -> Vector:
    """The values of all, one after the other."""
    parts = [vector for vector in vectors if len(vector)]
    if not parts:
        return Objects([])
    if len(parts) == 1:
        return parts[0]
    types = set(map(type, parts))
    found: Vector | None = None
    if Constant in types:
        parts = list(map(_as_numbers, parts))
        types = set(map(type, parts))
    if Numbers in types and types <= {Numbers, Constant, Coded}:
        found = _numbers(parts)
    elif types <= {Coded, Constant, Texts}:
        coded = sum(len(part) for part in parts if type(part) is not Texts)
        few = 2 * coded >= sum(map(len, parts))
        found = _coded(parts) if few else _texts(parts)
    if found is not None:
        return found
    return Objects([value for part in parts for value in part.tolist()])


def patched(vector: Vector, places: Sequence[int], values: list[Any]) -> Vector:
    """`vector` with `values` at `places`."""
    both = merged([vector, Coded(np.arange(len(values)), values)])
    index = np.arange(len(vector))
    index[places] = np.arange(len(vector), len(vector) + len(values))
    return both.take(index)


def _as_numbers(vector: Vector) -> Vector:
    """A number for all as an array."""
    if type(vector) is not Constant or type(vector.value) not in (int, float, bool):
        return vector
    values = np.array(vector.value)
    return vector if values.dtype.kind == "O" else Numbers(np.broadcast_to(values, len(vector)))


def kept_bytes(vector: Vector) -> int:
    """About the bytes that a vector takes, at least 1; 0 for one that is not to be kept: its values may change."""
    if isinstance(vector, Numbers):
        return 1 + int(vector.values.nbytes) + (0 if vector.nulls is None else int(vector.nulls.nbytes))
    if isinstance(vector, Coded):
        fixed = set(map(type, vector.words)) <= {str, type(None)}
        return 1 + int(vector.codes.nbytes) + _WORD * len(vector.words) if fixed else 0
    if isinstance(vector, Texts):
        return 1 + len(vector.data) + int(vector.begins.nbytes) + int(vector.ends.nbytes)
    return 1 if isinstance(vector, Constant) and type(vector.value) in (int, float, bool, str, type(None)) else 0


def _numbers(parts: Sequence[Any]) -> Numbers | None:
    """Numbers among which constants and None may stand; None where there is other than numbers of one kind."""
    if all(type(part) is Numbers and part.nulls is None and part.kind is None for part in parts):
        dtypes = {part.values.dtype for part in parts}
        if len(dtypes) == 1:
            return Numbers(np.concatenate([part.values for part in parts]))
    arrays, nulls = [], []
    kinds = {part.kind for part in parts if type(part) is Numbers}
    dtypes = {part.values.dtype for part in parts if type(part) is Numbers}
    if len(kinds) != 1 or len({"i" if dtype.kind == "u" else dtype.kind for dtype in dtypes}) != 1:
        return None
    kind, dtype = kinds.pop(), np.result_type(*dtypes)
    if dtype.kind == "f" and not all(each.kind == "f" for each in dtypes):  # of uint64 and signed ones
        return None
    cls = _OF_KIND[dtype.kind] if kind is None else kind.cls
    for part in parts:
        if type(part) is Numbers:
            arrays.append(part.values)
            nulls.append(part.nulls)
            continue
        words = [part.value] if type(part) is Constant else part.words
        if not all(word is None or type(word) is cls for word in words):
            return None
        plain = [0 if word is None else word if kind is None else kind.number(word) for word in words]
        try:
            values = np.array(plain, np.int64 if dtype.kind in "iu" else dtype)
        except OverflowError:
            return None
        if dtype.kind in "iu":
            dtype = np.result_type(dtype, *map(np.min_scalar_type, plain))
            if dtype.kind == "f":
                return None
        codes = np.zeros(len(part), np.int64) if type(part) is Constant else part.codes
        missing = np.array([word is None for word in words])
        arrays.append(values[codes])
        nulls.append(missing[codes] if missing.any() else None)
    found = np.concatenate(arrays, dtype=dtype, casting="unsafe")
    if all(each is None for each in nulls):
        return Numbers(found, None, kind)
    every = [np.zeros(len(part), bool) if each is None else each for part, each in zip(parts, nulls, strict=True)]
    return Numbers(found, np.concatenate(every), kind)


def _coded(parts: Sequence[Any]) -> Coded:
    """Codes into the words of all. Equal texts are one word; other words are one only if they are the same object."""
    if len({id(part.words) if type(part) is Coded else 0 for part in parts}) == 1 and type(parts[0]) is Coded:
        return Coded(np.concatenate([part.codes for part in parts]), parts[0].words)
    known: dict[Any, int] = {}
    words: list[Any] = []
    maps: dict[int, Any] = {}  # by the list of words: None where its codes are those of all
    arrays = []
    for part in parts:
        if type(part) is Coded:
            own, codes = part.words, part.codes
        elif type(part) is Constant:
            own, codes = [part.value], np.zeros(len(part), np.uint8)
        else:
            values = part.tolist()
            own = list(dict.fromkeys(values))
            place = dict(zip(own, range(len(own)), strict=True))
            codes = np.array(list(map(place.__getitem__, values)))
        if type(part) is not Coded or id(own) not in maps:
            to = []
            for word in own:
                mark = word if type(word) is str else (id(word),)
                code = known.setdefault(mark, len(known))
                if code == len(words):
                    words.append(word)
                to.append(code)
            same = to == list(range(len(to)))
            maps[id(own)] = None if same else np.array(to, np.uint32)
        to_all = maps[id(own)]
        arrays.append(codes if to_all is None else to_all[codes])
    return Coded(np.concatenate(arrays).astype(np.min_scalar_type(len(words)), copy=False), words)


def _texts(parts: Sequence[Any]) -> Texts | None:
    """Plain text of all; None where there is None, or another value, among them."""
    data: list[Any] = []
    begins, ends = [], []
    wholes: list[Callable[[], list[Any]]] = []
    done = 0
    for part in parts:
        found: Any
        if type(part) is Texts:
            found, a, b = part.data, part.begins, part.ends
        else:
            words = [part.value] if type(part) is Constant else part.words
            if not all(type(word) is str for word in words):
                return None
            encoded = [word.encode("utf-8", "surrogatepass") for word in words]
            sums = np.cumsum([0, *map(len, encoded)])
            codes = np.zeros(len(part), np.int64) if type(part) is Constant else part.codes
            found, a, b = b"".join(encoded), sums[codes], sums[codes + 1]
        data.append(found)
        begins.append(a + done)
        ends.append(b + done)
        done += len(found)
        wholes.append(part.tolist if getattr(part, "whole", None) is None else part.whole)
    dtype = np.uint32 if done < 1 << 32 else np.int64
    first, last = (np.concatenate(each).astype(dtype) for each in (begins, ends))
    lenient = next((part.decode for part in parts if type(part) is Texts and part.lenient), None)
    decode = lenient or next(part.decode for part in parts if type(part) is Texts)
    return Texts(memoryview(b"".join(data)), first, last, decode, partial(_all, wholes), lenient is not None)


def _all(wholes: Sequence[Callable[[], list[Any]]]) -> list[Any]:
    return [value for whole in wholes for value in whole()]


class Kept:
    """A column of a block in the cache of its file."""

    __slots__ = ("_block", "_path", "_size", "used")

    def __init__(self, block: Any, path: tuple[str, ...], size: int) -> None:
        self._block = weak(block)
        self._path = path
        self._size = size
        self.used = False

    @property
    def size(self) -> int:
        """What it takes; 0 once its block is gone."""
        return 0 if self._block() is None else self._size

    def grow(self, size: int) -> None:
        """It takes `size` bytes more."""
        self._size += size

    def close(self) -> bool:
        """Let the block forget it."""
        block = self._block()
        if block is not None:
            block.forget(self._path)
        return True
