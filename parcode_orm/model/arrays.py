"""`LazyArray`: a large numpy array, read in parts."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from operator import index as as_index
from typing import Any, NoReturn

from parcode_orm.codec.base import Content
from parcode_orm.codec.packed.arrays import array_from
from parcode_orm.model.blobs import NO_COPY

__all__ = ["LazyArray"]


class LazyArray:
    """The value of a numpy array field, to be read in parts.

    `shape`, `dtype`, `ndim`, `size`, `nbytes` and `len` are known without reading. `shape` is a tuple of ints, `dtype`
    a numpy dtype.

    A `LazyArray` is indexed as an array, and gives read-only results. Integers for the first axes, followed by a slice,
    read, verify and decompress only the pieces of 256 KiB that they meet. Any other index reads the whole array.

    Without compression the results are views of the file's map, and stay valid after the session. With compression they
    are fresh memory. An array that was in Fortran order comes back in C order. A damaged piece raises `ChecksumError`
    when it is read.
    """

    __slots__ = ("_array", "_content", "dtype", "shape")

    def __init__(self, dtype: Any, shape: tuple[int, ...], content: Content | None = None, array: Any = None) -> None:
        """Either `content` has the elements in C order, or `array` has them in memory."""
        self._array = array
        self._content = content
        self.dtype = dtype
        self.shape = shape

    @property
    def ndim(self) -> int:
        """The number of axes, an int."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements, an int."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes of the elements, an int."""
        return self.size * int(self.dtype.itemsize)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        if type(index) is tuple:
            start, shape, inside = self._block(index)
            return self._part(start, shape)[inside]
        start, shape, (inside,) = self._block((index,))
        return self._part(start, shape)[inside]  # numpy does not take the name of a field inside a tuple

    def _block(self, index: tuple[Any, ...]) -> tuple[int, tuple[int, ...], tuple[Any, ...]]:
        """The smallest contiguous part that has all elements of `index`: its start, its shape, the index in it.

        A wrong index stays wrong, so that numpy raises its error. In memory the part is the whole array.
        """
        if self._content is None:
            return 0, self.shape, index
        start, inner = 0, self.size  # `inner`: elements at one place of the axis
        shape, inside = list(self.shape), list(index)
        for axis, (part, length) in enumerate(zip(index, self.shape, strict=False)):
            inner = inner // length if length else 0
            if isinstance(part, slice):
                places = range(*part.indices(length))
                low, high = (min(places[0], places[-1]), max(places[0], places[-1]) + 1) if places else (0, 0)
                start += low * inner
                shape[axis], inside[axis] = high - low, slice(None, None, places.step)
                break
            place = _place(part, length)
            if place is None:
                break
            start += place * inner
            shape[axis], inside[axis] = 1, 0
        return start, tuple(shape), tuple(inside)

    def _part(self, start: int, shape: tuple[int, ...]) -> Any:
        """The elements from `start` on, as many as `shape` needs, read-only."""
        if self._content is None:
            array = self._array.view()
            array.flags.writeable = False
            return array
        size = self.dtype.itemsize
        data = self._content.read(start * size, (start + prod(shape)) * size)
        return array_from(data, self.dtype, shape, writable=False)

    def _whole(self) -> Any:
        return self._part(0, self.shape)

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy

        return numpy.array(self._whole(), dtype, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # kDLCPU

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule of the whole array, read-only and without a copy where `__array__` makes none.

        A consumer of DLPack before 1.0 could write to it, as its capsules have no such flag. It gets a copy.

        Raises:
            BufferError: the dtype, the device or the byte order is none of DLPack's on a CPU, or `copy` is false where
                one is needed.
            ChecksumError: a piece of the value is damaged.
        """
        old = max_version is None or max_version < (1, 0)
        array = self.load() if old and copy is not False else self._whole()
        return array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def load(self) -> Any:
        """A copy of the whole array, a `numpy.ndarray` that can be written to.

        Raises:
            ChecksumError: a piece of the value is damaged.
        """
        return self._whole().copy()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(NO_COPY)

    def __repr__(self) -> str:
        return f"<LazyArray of shape {self.shape} and dtype {self.dtype}>"


def _place(part: Any, length: int) -> int | None:
    """The place of an integer index on an axis; None for any other index, or one out of range."""
    if isinstance(part, bool):
        return None
    try:
        place = as_index(part)
    except TypeError:
        return None
    return place % length if -length <= place < length else None
