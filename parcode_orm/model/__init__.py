"""`Model` and the field markers."""

from parcode_orm.model.base import Model, ModelMeta
from parcode_orm.model.fields import Chunk, ShardedMap

__all__ = ["Chunk", "Model", "ModelMeta", "ShardedMap"]
