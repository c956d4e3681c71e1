from parcode_orm import Key, ShardedMap
from parcode_orm.migrations import CreateModel, Field, Named

Hero = Named("Hero")
WorldSettings = Named("WorldSettings")

dependencies = []
operations = [
    CreateModel(
        "Hero",
        "examples.game_world:Hero",
        {
            "level": Field(int),
            "items": Field(list[int]),
        },
    ),
    CreateModel(
        "WorldSettings",
        "examples.game_world:WorldSettings",
        {
            "difficulty": Field(int),
            "history": Field(list[str]),
        },
        kind="plain",
    ),
    CreateModel(
        "GameWorld",
        "examples.game_world:GameWorld",
        {
            "name": Field(str),
            "settings": Field(WorldSettings),
            "terrain": Field(bytes),
            "players": Field(dict[str, Hero], ShardedMap()),
        },
    ),
    CreateModel(
        "Trip",
        "examples.flights_queries:Trip",
        {
            "id": Field(int, Key(auto=True)),
            "month": Field(int),
            "day": Field(int),
            "hour": Field(int),
            "dep_delay": Field(int | None),
            "arr_delay": Field(int | None),
            "carrier": Field(str),
            "flight": Field(int),
            "tailnum": Field(str | None),
            "origin": Field(str),
            "dest": Field(str),
            "distance": Field(float),
        },
    ),
]
