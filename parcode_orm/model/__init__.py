"""`Model`, the field markers, and the handles of large values."""

from parcode_orm.model.arrays import LazyArray
from parcode_orm.model.backrefs import Backref
from parcode_orm.model.base import Model, ModelMeta
from parcode_orm.model.blobs import LazyBytes, LazyText
from parcode_orm.model.fields import Chunk, Field, ShardedMap
from parcode_orm.model.keys import Index, Key

__all__ = [
    "Backref",
    "Chunk",
    "Field",
    "Index",
    "Key",
    "LazyArray",
    "LazyBytes",
    "LazyText",
    "Model",
    "ModelMeta",
    "ShardedMap",
]
