"""The classes of a file as source: run as a module, they have the schemas of the file, whatever its names are."""

from __future__ import annotations

import itertools
import json
import sys
import types
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given

import parcode_orm
from parcode_orm import Chunk, Index, Key, Model, Session
from parcode_orm.codec.schema import canonical_schema
from parcode_orm.codec.stored import parsed
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.model.entities import table_class
from parcode_orm.model.generated import Generated
from parcode_orm.session.described import FileSchema
from parcode_orm.session.source import Writer
from tests.effort import half
from tests.strategies import classes

from .test_without_classes import Member, Player, recursive

_numbers = itertools.count()


def run(source: str) -> Any:
    """The module of a source."""
    module: Any = types.ModuleType(f"written_by_the_test_{next(_numbers)}")
    sys.modules[module.__name__] = module
    exec(source, module.__dict__)
    return module


def renamed(data: bytes, names: dict[str, str]) -> Any:
    """A schema with other names of its structs."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return list(map(walk, node))
        if not isinstance(node, dict):
            return node
        return {"struct": names[node["struct"]]} if node.keys() == {"struct"} else {k: walk(v) for k, v in node.items()}

    schema = json.loads(data)
    structs = {names[key]: {**walk(body), "struct": names[key]} for key, body in schema["structs"].items()}
    return {"root": walk(schema["root"]), "structs": structs}


@half()
@given(classes())
def test_the_source_of_a_schema_gives_its_classes(cls: type[Model]) -> None:
    name = cls.__name__
    data = canonical_schema(struct_for(Generated(parsed(canonical_schema(struct_for(cls)))).root()))
    schemas = {name: parsed(data)}
    made = getattr(run(FileSchema(schemas).source()), name)
    made.model_rebuild()
    assert json.loads(canonical_schema(struct_for(made))) == renamed(data, Writer(schemas).classes.names_of(name))


class Late(Model):
    mail: str = Index(unique=True)
    id: int = Key(auto=True)
    level: int
    tags: list[str] = Index()
    __indexes__ = (Index("level"), Index("mail", "level"))  # level is a field before tags, and an index after it


@pytest.mark.parametrize("cls", [Member, Player, Late])
def test_keys_and_indexes(cls: Any) -> None:
    data = canonical_schema(struct_for(table_class(cls)))
    made = getattr(run(FileSchema({f"{cls.__name__}[]": parsed(data)}).source()), cls.__name__)
    made.model_rebuild()
    assert canonical_schema(struct_for(table_class(made))) == data


def model(name: str, **fields: Any) -> Any:
    """A class of any name."""
    made: Any = pydantic.create_model(name, __base__=Model, **fields)
    return made


def test_names_that_python_does_not_have(tmp_path: Path) -> None:
    inner = {
        f"f{at}": (recursive(name), ...) for at, name in enumerate(["A", "A", "A_2", "class", "1x", "int", "Model"])
    }
    odd = model(
        "Page[int]", **{"a b": (int, ...), "class": (list[int], Chunk()), "list": (list[int], Chunk())}, **inner
    )
    values = {name: {"below": []} for name in inner}
    parcode_orm.save(tmp_path / "a.par", odd(**{"a b": 1, "class": [2], "list": [3]}, **values))
    found = parcode_orm.schema(tmp_path / "a.par")
    module = run(found.source())
    assert '@renamed_from("Page[int]")'.replace('"', "'") in found.source()
    again = parcode_orm.load(tmp_path / "a.par", module.Page_int)
    assert (again.a_b, again.class_, again.list, again.f3.below) == (1, [2], [3], [])
    assert found["$defs"].keys() == {"Page_int", "A", "A_2", "A_2_2", "class_", "x_1x", "int_", "Model_"}


def test_classes_of_one_name_in_two_roots(tmp_path: Path) -> None:
    """The second one was left out, so that its root had the fields of the first."""
    for fields in ({"n": (int, ...)}, {"m": (str, ...)}, {"n": (int, ...)}):
        item = model("Item", **fields)
        with Session(tmp_path / "a.par") as session:
            root = model(f"Root{len(session.roots())}", item=(item, ...))
            session.add(root(item=dict.fromkeys(fields, "1")))
            session.commit()
    found = parcode_orm.schema(tmp_path / "a.par")
    assert found["$defs"].keys() == {"Root0", "Root1", "Root2", "Item", "Item_2"}
    assert found["$defs"]["Root1"]["properties"]["item"] == {"$ref": "#/$defs/Item_2"}
    module = run(found.source())
    assert parcode_orm.load(tmp_path / "a.par", module.Root1).item.m == "1"
    assert parcode_orm.load(tmp_path / "a.par", module.Root2).item.n == 1


def test_entities_that_stand_in_a_root_as_well(tmp_path: Path) -> None:
    """Their indexes were lost where a root came first in the order of names."""
    with Session(tmp_path / "a.par") as session:
        session.add(model("A", star=(Player, ...))(star=Player(id=1, name="n", level=2)))
        session.add(Player(name="a", level=3))
        session.commit()
    found = parcode_orm.schema(tmp_path / "a.par")
    assert found.source().count("class Player") == 1 and "name: str = Index(unique=True)" in found.source()
    assert [(each["name"], each["stored"]) for each in found.classes()] == [("A", "root"), ("Player", "entities")]


def test_a_damaged_schema_is_named(tmp_path: Path) -> None:
    with Session(tmp_path / "a.par") as session:
        session.add(model("Broken", n=(int, 1))())
        session.add(model("Sound", n=(int, 1))())
        session.commit()
    data = bytearray((tmp_path / "a.par").read_bytes())
    data[data.index(b'"Broken"') + 1] ^= 1
    found = parcode_orm.schema(bytes(data))
    assert found["roots"] == ["Sound"] and list(found["damaged"]) == ["Broken"]
    assert found.source().startswith("# Broken: ") and "class Sound(Model):" in found.source()
