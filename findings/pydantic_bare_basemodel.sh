#!/usr/bin/env bash
# Pydantic 2.14.4: a field of type BaseModel, or list[BaseModel], takes any dictionary and gives an object of BaseModel itself.
# What was in the dictionary is dropped, though BaseModel() is refused, and comparing two such objects raises AttributeError.
# In a union with dict the dictionary stays one. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "pydantic==2.14.4"
"$scratch/venv/bin/python" - <<'PY'
from pydantic import BaseModel
from pydantic.errors import PydanticUserError


class Shelf(BaseModel):
    models: list[BaseModel] = []
    either: BaseModel | dict[str, int] | None = None


def problem(step):
    try:
        step()
    except (AttributeError, PydanticUserError) as found:
        return type(found).__name__
    return None


shelf = Shelf(models=[{"name": "a"}], either={"n": 1})
made = shelf.models[0]
found = {
    "class": type(made).__name__,
    "its dictionary": vars(made),
    "dump of the holder": shelf.model_dump(),
    "BaseModel()": problem(BaseModel),
    "comparing": problem(lambda: made == Shelf(models=[{"name": "a"}]).models[0]),
}
print(found)
assert found == {
    "class": "BaseModel",
    "its dictionary": {},
    "dump of the holder": {"models": [{}], "either": {"n": 1}},
    "BaseModel()": "PydanticUserError",
    "comparing": "AttributeError",
}
PY
