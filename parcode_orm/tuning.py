"""The sizes that a writer chooses. Tests pass small ones, so that a few dozen rows make every shape of a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Sizes of what is written. Readers take what they find, so no file depends on them."""

    group_rows: int = 4096  # of a row group, at most
    sample_rows: int = 64  # whose size tells how many rows the first row group gets
    few_rows: int = 4  # of which no sample is taken; `sample_rows` at most
    fanout: int = 64  # entries of a tree node, at most

    merged: int = 8  # so many neighbours of one size class become one row group
    classes: tuple[int, ...] = (1, 8, 64, 512)  # rows: the largest slice of each class
    short: int = 64  # rows of a stretch of new ones that is written in a row group with others
    largest: int = 2048  # rows of a slice that is joined with others where a commit brings many rows beside it
    small_bytes: int = 8 << 10  # of a row group that is joined with its neighbours, and closed when no row is held

    max_runs: int = 8  # of an index
    shard_rows: int = 4096  # keys of an index shard, on average, at most
    directory_bits: int = 6  # of the hash, which choose one of a directory's references
    arrays_from: int = 512  # keys of a run that is sorted by numpy

    large: int = 32 << 10  # bytes from which the value of a marked field is stored alone
    copied_below: int = 8 << 10  # bytes of a chunk that is small
    few_chunks: int = 8  # so many small chunks are written together again, rather than referred to

    compact_from: int = 1 << 20  # bytes of a file that its session compacts after a commit


TUNING = Tuning()
