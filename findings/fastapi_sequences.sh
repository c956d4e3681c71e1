#!/usr/bin/env bash
# FastAPI 0.165.0: an endpoint without a response model that returns a Sequence of one's own.
# Its encoder tries dict(value) before list(vars(value)): an empty sequence becomes {}, and one of pairs becomes an object.
# A list of the same items becomes an array. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "fastapi==0.165.0"
"$scratch/venv/bin/python" - <<'PY'
from collections.abc import Sequence

from fastapi.encoders import jsonable_encoder


class Items(Sequence):
    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


found = {
    "empty": jsonable_encoder(Items()),
    "pairs": jsonable_encoder(Items(("a", 1), ("b", 2))),
    "a list of pairs": jsonable_encoder([("a", 1), ("b", 2)]),
}
print(found)
assert found == {"empty": {}, "pairs": {"a": 1, "b": 2}, "a list of pairs": [["a", 1], ["b", 2]]}
PY
