"""The hashes of a map's keys while its rows are written: the index is made of them, and keys that came twice found.

Beyond `SPILL_KEYS` they leave memory for a temporary file, in runs sorted by hash. In the end every stretch of hashes
is taken from all runs at once; no stretch is longer than a run, so memory does not grow with the map.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from os import urandom
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from ..codec.base import Sink
from ..codec.keys.canonical import canonical_keys, hash_keys, holds_nan
from ..codec.keys.numbers import NAN
from ..format.encoder import Ticket
from ..storage.files import storing
from .index import sorted_hashes, write_run, write_run_of

SPILL_KEYS = 1 << 19
SMALL = 512  # keys: below, numpy is not worth its import
_NEVER_NAN = frozenset({str, int})
FINE_BITS = 12  # a stretch is told by so many bits of the hash, at most

Columns = list[Any]  # arrays of uint64: hashes, row ids and, where keys may repeat, the second hashes


class _Spilled(NamedTuple):
    """A sorted run in the temporary file; `bounds[i]` of its rows have hashes below `i` in the first `FINE_BITS`."""

    offset: int
    rows: int
    bounds: Any


class KeyHashes:
    """The hashes of keys, in the order of their rows, which are numbered from 0.

    Where keys may be `repeated`, equal ones are known, without keeping them, by 64 more bits of hash. Two keys are
    taken for equal when all 128 bits agree: in a map of 10**9 keys the chance that any two that differ do is below
    10**-20, and half of the bits depend on a random seed, so that no one can choose such keys.
    """

    def __init__(self, *, repeated: bool) -> None:
        self._hashes = array("Q")
        self._checks = array("Q")
        self._repeated = repeated
        self._seed = int.from_bytes(urandom(8))
        self._spilled = 0
        self._runs: list[_Spilled] = []
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return self._spilled + len(self._hashes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, keys: Sequence[Any]) -> None:
        """The keys of the next rows.

        Raises:
            EncodeError: a key of a class for which equality is not known.
            StorageError: the temporary directory is full.
        """
        start = len(self)
        self._hashes.extend(hash_keys(keys))
        if self._repeated:
            checks = hash_keys(keys, self._seed)
            if not _NEVER_NAN.issuperset(map(type, keys)):
                found = canonical_keys(keys)
                for i in [i for i, data in enumerate(found) if NAN in data and holds_nan(keys[i])]:  # it equals nothing
                    checks[i] = (checks[i] + start + i) & (1 << 64) - 1
            self._checks.extend(checks)
        if len(self._hashes) >= SPILL_KEYS:
            self._spill()

    def finish(self, sink: Sink, first: int = 0) -> tuple[Sequence[int], Ticket | None]:
        """The rows, in order, whose keys come again later; and the index of all others, written (None: no row).

        In the index the rows are numbered from `first` on.
        """
        if len(self) < SMALL and not self._runs:
            return self._finish_small(sink, first)
        if self._runs:
            self._spill()
        bits = 0
        while len(self) >> bits > SPILL_KEYS and bits < FINE_BITS:
            bits += 1
        gone = self._earlier(bits)
        stretches = (_without(keys, rows, gone) for keys, rows, *_ in self._stretches(bits))
        kept = ((keys, rows + rows.dtype.type(first)) for keys, rows in stretches) if first else stretches
        return array("Q", gone.tobytes()), write_run_of(sink, len(self) - len(gone), kept, bits)

    def _finish_small(self, sink: Sink, first: int) -> tuple[Sequence[int], Ticket | None]:
        rows: Sequence[int] = range(len(self))
        if self._repeated:
            rows = sorted({pair: row for row, pair in enumerate(zip(self._hashes, self._checks, strict=True))}.values())
        gone = sorted(set(range(len(self))).difference(rows))
        if not rows:
            return gone, None
        return gone, write_run(sink, [self._hashes[row] for row in rows], [first + row for row in rows])

    def _earlier(self, bits: int) -> Any:
        import numpy as np

        found = []
        if self._repeated:
            for columns in self._stretches(bits):
                keys = columns[0]
                equal = keys[1:] == keys[:-1]
                if not equal.any():
                    continue
                near = np.append(equal, False) | np.append(False, equal)
                keys, rows, checks = (column[near] for column in columns)
                order = np.lexsort((checks, keys))  # stable: equal keys stay in the order of their rows
                keys, checks = keys[order], checks[order]
                again = (keys[1:] == keys[:-1]) & (checks[1:] == checks[:-1])
                found.append(rows[order[:-1][again]])
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.uint64)

    def _stretches(self, bits: int) -> Iterator[Columns]:
        """All columns, by the first `bits` of the hash: each stretch ordered by hash, equal ones by row."""
        if not self._runs:
            yield self._sorted()
            return
        import numpy as np

        step = 1 << FINE_BITS - bits
        for first in range(0, 1 << FINE_BITS, step):
            parts = [self._read(run, int(run.bounds[first]), int(run.bounds[first + step])) for run in self._runs]
            columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
            order = columns[0].argsort(kind="stable")
            yield [column[order] for column in columns]

    def _sorted(self) -> Columns:
        """What is in memory, ordered by hash."""
        import numpy as np

        keys, order = sorted_hashes(self._hashes)
        columns = [keys, order + np.uint64(self._spilled)]
        return [*columns, np.array(self._checks, np.uint64)[order]] if self._repeated else columns

    def _spill(self) -> None:
        import numpy as np

        columns = self._sorted()
        tops = np.arange((1 << FINE_BITS) + 1, dtype=np.uint64)
        bounds = np.searchsorted(columns[0] >> np.uint64(64 - FINE_BITS), tops).astype(np.uint32)
        with storing("spill an index to the temporary directory"):
            if self._file is None:
                self._file = TemporaryFile(prefix="parcode-")
            self._runs.append(_Spilled(self._file.seek(0, 2), len(columns[0]), bounds))
            for column in columns:
                self._file.write(column.data)
            self._file.flush()
        self._spilled += len(columns[0])
        self._hashes, self._checks = array("Q"), array("Q")

    def _read(self, run: _Spilled, start: int, stop: int) -> Columns:
        import numpy as np

        assert self._file is not None
        columns = []
        with storing("read an index back from the temporary directory"):
            for number in range(3 if self._repeated else 2):
                self._file.seek(run.offset + 8 * (number * run.rows + start))
                columns.append(np.frombuffer(self._file.read(8 * (stop - start)), np.uint64))
        return columns


def _without(keys: Any, rows: Any, gone: Any) -> tuple[Any, Any]:
    if not len(gone):
        return keys, rows
    import numpy as np

    there = gone[np.minimum(np.searchsorted(gone, rows), len(gone) - 1)] != rows
    return keys[there], rows[there]
