"""`DatasetWriter`: rows written by several processes, which one commit makes visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import told
from ...storage.paths import AnyPath
from . import manifest as manifests
from .duplicates import check_keys
from .layout import checked_model, new_manifest
from .manifest import Manifest, Part
from .places import place_of
from .writing import write_parts

ROWS_PER_FILE = 1_000_000


class DatasetWriter:
    """Writes rows from several processes: each calls `write`, one collects what these return and calls `commit`.

    It can be pickled. What is written is no part of the dataset before the commit, which makes all of it visible at
    once. Files of writers that died before are removed by `Dataset.clean`.

    Args:
        path: the folder, which is made; or a URL or a `Remote` of a prefix elsewhere.
        model: the class of the rows.
        partition_by, shards, rows_per_file: as for `Dataset.write`.
        replace: whether the commit replaces the parts that are there, in place of adding to them.

    Raises:
        UnsupportedTypeError, ValueError: as `Dataset.write`. StorageError: the folder cannot be made.
    """

    def __init__(
        self,
        path: AnyPath,
        model: type[Any],
        *,
        partition_by: str | Sequence[str] = (),
        shards: int = 0,
        rows_per_file: int = ROWS_PER_FILE,
        replace: bool = False,
    ) -> None:
        for name, value, least in (("shards", shards, 0), ("rows_per_file", rows_per_file, 1)):
            if type(value) is not int or value < least:
                raise ValueError(f"{name} is {least} or more, not {told(value)}")
        self.place = place_of(path)
        self.model = checked_model(model)
        fields = (partition_by,) if isinstance(partition_by, str) else tuple(partition_by)
        self.manifest = new_manifest(self.model, fields, shards, rows_per_file)
        self.replace = replace
        self.place.make()

    def write(self, models: Iterable[Any]) -> list[Part]:
        """Write objects as parts that are not visible yet; raises as `Dataset.write`.

        Returns:
            What `commit` takes.
        """
        return write_parts(self.place, self.model, self.manifest, models)

    def commit(self, written: Iterable[Sequence[Part]]) -> Manifest:
        """Make all parts of several calls of `write` visible at once.

        Raises:
            SchemaMismatchError, StorageError: they do not fit the dataset.
            IntegrityError: two parts would have an entity with one key.
            FileMissingError: a file is missing; nothing is committed.
        """
        parts = [part for each in written for part in each]

        def check(there: Sequence[Part]) -> None:
            check_keys(self.place, self.model, self.manifest, there, parts)

        return manifests.commit(self.place, self.manifest, parts, check, replaces=self.replace)

    def write_all(self, models: Iterable[Any]) -> Manifest:
        """Write objects and make them visible; no file stays if that fails. Raises as both."""
        parts = self.write(models)
        try:
            return self.commit([parts])
        except BaseException:
            for part in parts:
                self.place.remove(part.file)
            raise
