"""`Model`, the field markers, and the handles of large values."""

from parcode_orm.model.arrays import LazyArray
from parcode_orm.model.base import Model, ModelMeta
from parcode_orm.model.blobs import LazyBytes, LazyText
from parcode_orm.model.fields import Chunk, ShardedMap

__all__ = ["Chunk", "LazyArray", "LazyBytes", "LazyText", "Model", "ModelMeta", "ShardedMap"]
