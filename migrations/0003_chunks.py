from parcode_orm import Chunk
from parcode_orm.migrations import AlterField, AlterModel, Field, Named

WorldSettings = Named("WorldSettings")

dependencies = ["0002_players"]
operations = [
    AlterModel("WorldSettings", kind="model"),
    AlterField("WorldSettings", "history", Field(list[str], Chunk())),
    AlterField("Player", "inventory", Field(list[int], Chunk())),
    AlterField("GameWorld", "settings", Field(WorldSettings, Chunk())),
    AlterField("GameWorld", "terrain", Field(bytes, Chunk(compression="lz4"))),
]
