from parcode_orm.migrations import AddIndex

dependencies = ["0004_flights"]
operations = [
    AddIndex("Flight", "carrier"),
    AddIndex("Flight", "tailnum"),
    AddIndex("Flight", "dest"),
]
