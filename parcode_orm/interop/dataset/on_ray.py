"""Datasets on Ray Data: a read task a part, and a sink whose tasks write parts that one commit shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from .manifest import Part
from .parts import PartReader, needed
from .writer import DatasetWriter


def datasource(reader: PartReader, parts: Sequence[Part], columns: Sequence[str] | None = None) -> Any:
    """A `ray.data.Datasource` of some parts, for `ray.data.read_datasource`.

    Raises:
        MissingExtraError: ray is not installed.
    """
    ray, block = needed(["ray.data", "ray.data.block"], "ray", "to_ray()")

    def get_read_tasks(
        self: Any, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[Any]:
        tasks = []
        for part in parts:
            metadata = block.BlockMetadata(
                num_rows=None if reader.where else part.rows,
                size_bytes=part.bytes,
                input_files=(f"{reader.place.path}/{part.file}",),
                exec_stats=None,
            )
            read = partial(reader.tables, part, columns)
            tasks.append(ray.ReadTask(read, metadata, per_task_row_limit=per_task_row_limit))
        return tasks

    def estimate_inmemory_data_size(self: Any) -> int:
        return sum(part.bytes for part in parts)

    methods = {"get_read_tasks": get_read_tasks, "estimate_inmemory_data_size": estimate_inmemory_data_size}
    return type("ParcodeDatasource", (ray.Datasource,), methods)()


def read(source: Any) -> Any:
    """A `ray.data.Dataset` of a datasource."""
    (ray,) = needed(["ray.data"], "ray", "to_ray()")
    return ray.read_datasource(source)


def datasink(writer: DatasetWriter) -> Any:
    """A `ray.data.Datasink` that writes rows as parts, for `write_datasink`. Its end commits all of them.

    Args:
        writer: `DatasetWriter(path, model)`, or `Dataset.writer()` to append. Rows have the fields of its class.

    Raises:
        MissingExtraError: ray is not installed.
    """
    (ray,) = needed(["ray.data"], "ray", "datasink()")

    def write(self: Any, blocks: Iterable[Any], ctx: Any) -> list[Part]:
        return writer.write(_objects(blocks, writer.model))

    def on_write_complete(self: Any, result: Any) -> None:
        writer.commit(result.write_returns)

    return type("ParcodeDatasink", (ray.Datasink,), {"write": write, "on_write_complete": on_write_complete})()


def _objects(blocks: Iterable[Any], model: Any) -> Iterator[Any]:
    from ..arrow.incoming import from_arrow

    (block_module,) = needed(["ray.data.block"], "ray", "datasink()")
    for block in blocks:
        table = block_module.BlockAccessor.for_block(block).to_arrow()
        if table.num_rows:
            yield from from_arrow(table, model)
