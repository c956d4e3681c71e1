"""Datasets: folders of part files with one schema, read as one sequence, on one machine or on a cluster."""

from __future__ import annotations

from typing import TypeVar

from ...storage.paths import AnyPath
from .collection import Dataset
from .on_dask import write_bag
from .on_ray import datasink
from .writer import DatasetWriter

M = TypeVar("M")

__all__ = ["Dataset", "DatasetWriter", "datasink", "dataset", "write_bag"]


def dataset(path: AnyPath, model: type[M] | None = None) -> Dataset[M]:
    """The dataset in a folder, or under a prefix elsewhere.

    Args:
        path: the folder; a URL or a `Remote` for a prefix elsewhere.
        model: the class of the rows; without it, one is made of the stored schema.

    Raises:
        FileMissingError: there is no manifest.
        UnsupportedVersion, CorruptionError: the manifest is of a newer version, or damaged.
        TypeError: `model` is no class of rows.
    """
    return Dataset(path, model)
