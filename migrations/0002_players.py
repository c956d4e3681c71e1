from parcode_orm.migrations import AddField, Field, RenameField, RenameModel

dependencies = ["0001_initial"]
operations = [
    RenameModel("Hero", "Player"),
    RenameField("Player", "items", "inventory"),
    AddField("GameWorld", "id", Field(int, default=1), after=""),
]
