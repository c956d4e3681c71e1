"""The data of the page: rows, values, history and differences, each bounded, of whole, damaged and hostile files."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ConfigDict

import parcode_orm
from parcode_orm import Chunk, Model, NoResultFound, NotAParcodeFile, PathError, QueryError, Session
from parcode_orm.format.layout import RECORD_MAGIC
from parcode_orm.inspector.page import answers as answers_module
from parcode_orm.inspector.page import rows as rows_module
from parcode_orm.inspector.page.answers import Answers

from .hostile import OBEYED, hostile
from .served import GameWorld, Player, Trade, game


class Hue(Enum):
    RED = 1


class Spot(NamedTuple):
    x: int
    y: float


class Everything(Model):
    text: str
    lines: str
    array: NDArray[np.float64]
    large: NDArray[np.int64] = Chunk()
    wide: NDArray[np.int8] = Chunk()
    when: datetime
    hue: Hue
    number: int
    pair: tuple[int, str]
    words: set[str]
    spot: Spot
    queue: deque[int]
    nothing: int | None
    price: Decimal
    secret: bytes
    by_day: dict[date, list[int]]
    model_config = ConfigDict(arbitrary_types_allowed=True)


pytestmark = pytest.mark.once
HERO = 'GameWorld.players["Hero123"]'


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    found = Answers(game(tmp_path_factory.mktemp("page") / "game.par"))
    yield found
    found.close()


def get(answers: Answers, route: str, **given: object) -> Any:
    """An answer, as the browser gets it."""
    return json.loads(json.dumps(answers.get(route, {name: str(value) for name, value in given.items()})))


def column(found: Any, name: str) -> list[str]:
    """The texts of a column."""
    place = [each["name"] for each in found["columns"]].index(name)
    return [row["cells"][place][1] for row in found["rows"]]


def test_the_report(answers: Answers) -> None:
    found = get(answers, "report")
    assert (found["name"], found["at"], found["messages"]["1"]) == ("game.par", 3, "the world")
    assert [(each["path"], each["kind"], each.get("rows")) for each in found["collections"]] == [
        ("GameWorld", "root", None),
        ("GameWorld.settings.history", "list", 2),
        ("GameWorld.players", "map", 300),
        ("Trade", "entities", 1_000),
    ]
    classes = {each["name"]: each for each in found["schema"]}
    assert classes["Trade"]["stored"] == "entities" and classes["GameWorld"]["stored"] == "root"
    assert classes["GameWorld"]["fields"][3] == {"name": "players", "type": "dict[str, Player]", "mark": "ShardedMap()"}
    assert classes["Trade"]["fields"][2] == {"name": "price", "type": "int | None", "mark": ""}
    assert found["report"]["commit_count"] == 3 and found["report"]["entries"]


def test_rows_come_in_pages(answers: Answers) -> None:
    first = get(answers, "rows", path="Trade", limit=10)
    assert (first["count"], first["total"], first["key"]) == (1_000, 1_000, {"name": "key", "order": "key()"})
    assert first["rows"][0] == {
        "path": "Trade[1]",
        "key": "1",
        "cells": [["number", "1"], ["text", "Hero0"], ["number", "0"]],
    }
    assert column(get(answers, "rows", path="Trade", offset=995, limit=10), "id") == [str(n) for n in range(996, 1_001)]
    assert get(answers, "rows", path="Trade", offset=10**12)["rows"] == []
    history = get(answers, "rows", path="GameWorld.settings.history")
    assert history["key"]["name"] == "#" and history["columns"] == [{"name": "value", "order": "item()"}]
    assert [(row["path"], row["cells"]) for row in history["rows"]] == [
        ("GameWorld.settings.history[0]", [["text", "founded"]]),
        ("GameWorld.settings.history[1]", [["text", "flooded"]]),
    ]


def test_rows_are_filtered_and_sorted(answers: Answers) -> None:
    found = get(answers, "rows", path="Trade", where='price > 60 and buyer == "Hero3"', order="-price, id", limit=2)
    expected = sorted((-(n % 97), n + 1) for n in range(1_000) if n % 97 > 60 and n % 50 == 3)
    assert found["total"] == len(expected) > 2 and column(found, "price") == [str(-price) for price, _ in expected[:2]]
    assert [row["path"] for row in found["rows"]] == [f"Trade[{number}]" for _, number in expected[:2]]
    players = get(answers, "rows", path="players", where="level == 98", order="-level")  # a field of the only root
    assert [row["path"] for row in players["rows"]] == [f'GameWorld.players["Hero{n}"]' for n in (98, 197, 296)]


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"where": "price >> 3"}, None),
        ({"where": "price > 90 and prise < 3"}, 16),
        ({"where": "price > "}, None),
        ({"order": "prise"}, None),
    ],
)
def test_what_a_filter_gets_wrong_is_said_with_its_column(
    answers: Answers, given: dict[str, str], column: int | None
) -> None:
    with pytest.raises(QueryError) as raised:
        get(answers, "rows", path="Trade", **given)
    error = answers_module.error_data(raised.value)["error"]
    assert error["message"] and error["column"] > 0 and (column is None or error["column"] == column)


def test_what_has_no_rows(answers: Answers) -> None:
    for path in ("GameWorld", "GameWorld.name", "Nothing", "", "a b", 'GameWorld.players["nobody"]'):
        with pytest.raises(PathError):
            get(answers, "rows", path=path)


def test_a_filter_looks_at_a_bounded_number_of_rows(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "BUDGET", 500)
    assert len(get(answers, "rows", path="Trade")["rows"]) == 50  # nothing looks at them all
    for given in ({"where": "price > 3"}, {"order": "price"}):
        with pytest.raises(QueryError, match="would look at 1,000 rows"):
            get(answers, "rows", path="Trade", **given)
    assert get(answers, "rows", path="Trade", where="id == 5")["total"] == 1  # by the key
    assert get(answers, "rows", path="players", where="level > 3")["total"] == 285  # of 300


def test_a_value_is_read_a_level_at_a_time(answers: Answers) -> None:
    found = get(answers, "value", path="GameWorld")
    assert [(each["name"], each["kind"], each.get("size")) for each in found["children"]] == [
        ("name", "text", None), ("settings", "object", 2), ("terrain", "unread", None), ("players", "map", 300),
    ]  # fmt: skip
    assert found["children"][2]["text"] == "<200000 bytes, not read>"
    hero = get(answers, "value", path='players["Hero123"]')
    assert hero["path"] == HERO and [each["name"] for each in hero["way"]] == ["GameWorld", "players", '["Hero123"]']
    assert [each["text"] for each in hero["children"]] == ["26", "[123, 0, 1]"]
    assert [each["path"] for each in get(answers, "value", path=f"{HERO}.inventory", offset=2)["children"]] == [
        f"{HERO}.inventory[2]"
    ]
    later = get(answers, "value", path="GameWorld.players", offset=298)
    assert (later["offset"], later["size"], [each["name"] for each in later["children"]]) == (
        298,
        300,
        ["'Hero298'", "'Hero299'"],
    )
    terrain = get(answers, "value", path="GameWorld.terrain")
    assert (terrain["length"], len(terrain["hex"])) == (200_000, 2_048)
    assert get(answers, "value", path="GameWorld.name")["lines"] == "Aldermoor"
    assert len(get(answers, "value", path="Trade", limit=3)["children"]) == 3


def test_values_of_all_kinds(tmp_path: Path) -> None:
    everything = Everything(
        text="x" * 30_000 + "\n", lines="a\n\x1b[2Jb", array=np.arange(3_000.0).reshape(1_000, 3),
        large=np.arange(100_000), when=datetime(2024, 5, 4, tzinfo=UTC), hue=Hue.RED, number=10**5_000, pair=(1, "a"),
        words={"a"}, spot=Spot(1, 2.5), queue=deque([1, 2]), nothing=None, price=Decimal("1.50"), secret=b"\x00\xff",
        by_day={date(2024, 5, 4): [1]}, wide=np.zeros((2, 1 << 20), np.int8),
    )  # fmt: skip
    parcode_orm.save(tmp_path / "a.par", everything)
    answers = Answers(tmp_path / "a.par")
    nodes = {each["name"]: each for each in get(answers, "value", path="Everything")["children"]}
    assert {name: each["kind"] for name, each in nodes.items()} == {
        "text": "text", "lines": "text", "array": "array", "large": "unread", "when": "time", "hue": "enum",
        "number": "number", "pair": "list", "words": "set", "spot": "object", "queue": "list", "nothing": "none",
        "price": "number", "secret": "bytes", "by_day": "map", "wide": "unread",
    }  # fmt: skip
    assert nodes["queue"]["type"] == "deque" and nodes["hue"]["text"] == "RED" and len(nodes["number"]["text"]) < 500
    assert get(answers, "value", path="lines")["lines"] == "a\n\\x1b[2Jb"
    text = get(answers, "value", path="text")
    assert (len(text["lines"]), text["cut"], text["type"]) == (20_000, True, "str")
    assert get(answers, "value", path="large")["lines"].startswith("[ 0  1  2 ")
    assert get(answers, "value", path="array")["cut"] and get(answers, "value", path="wide")["lines"].count("[") == 2
    assert get(answers, "value", path="secret")["hex"] == "00ff"
    for path, expected in {"pair": "Everything.pair[1]", "spot": "Everything.spot.y", "words": None}.items():
        assert get(answers, "value", path=path)["children"][-1]["path"] == expected
    assert get(answers, "value", path="by_day")["children"][0]["path"] == 'Everything.by_day["2024-05-04"]'
    assert get(answers, "value", path='by_day["2024-05-04"][0]')["text"] == "1"
    answers.close()


def test_a_value_of_an_earlier_commit(answers: Answers) -> None:
    assert get(answers, "value", path=f"{HERO}.level", at=1)["text"] == "24"
    assert get(answers, "rows", path="players", where='key() == "Hero123"', at=2)["rows"][0]["cells"][0] == [
        "number",
        "25",
    ]
    for at in (0, 4, 99):
        with pytest.raises(NoResultFound):
            get(answers, "value", path=HERO, at=at)


def test_the_history_of_an_object(answers: Answers) -> None:
    found = get(answers, "history", path=HERO)
    assert [(each["sequence"], each["message"]) for each in found["commits"]] == [
        (3, "day 1"),
        (2, "day 0"),
        (1, "the world"),
    ]
    newest = found["commits"][0]["changes"]
    assert newest[0] == {"kind": "changed", "where": f"{HERO}.level", "old": ["number", "25"], "new": ["number", "26"]}
    assert newest[1] == {"kind": "added", "where": f"{HERO}.inventory[2]", "new": ["number", "1"]}
    untouched = get(answers, "history", path='GameWorld.players["Hero7"]')
    assert [each["sequence"] for each in untouched["commits"]] == [1] and untouched["before"] is None
    assert get(answers, "history", path=f"{HERO}.level", before=2)["commits"][0]["sequence"] == 2


def test_a_long_history_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parcode_orm.inspector.page.past.COMMITS", 2)
    answers = Answers(game(tmp_path / "game.par"))
    first = get(answers, "history", path=HERO)
    assert [each["sequence"] for each in first["commits"]] == [3, 2] and first["before"] == 1
    assert [each["sequence"] for each in get(answers, "history", path=HERO, before=1)["commits"]] == [1]
    answers.close()


def test_the_differences_of_two_commits(answers: Answers) -> None:
    found = get(answers, "diff", a=1, b=3)
    assert [each["where"] for each in found["changes"]] == [
        f"{HERO}.level".replace('"', "'"),
        *(f"{HERO}.inventory[{n}]".replace('"', "'") for n in (1, 2)),
    ]
    assert (found["a"]["message"], found["b"]["sequence"], found["more"]) == ("the world", 3, False)
    assert get(answers, "diff", a=1, path=f"{HERO}.level")["changes"][0]["new"] == ["number", "26"]
    assert get(answers, "diff", a=3, b=1, path=f"{HERO}.inventory[2]")["changes"][0]["kind"] == "removed"
    assert get(answers, "diff", a=2, b=2)["changes"] == []
    with pytest.raises(NoResultFound):
        get(answers, "diff", b=3)


def test_a_difference_has_a_bounded_number_of_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parcode_orm.inspector.page.past.MOST", 4)
    path = game(tmp_path / "game.par")
    with Session(path) as session:
        session.add_all(Trade(buyer="x", price=None) for _ in range(10))
        session.commit()
    answers = Answers(path)
    found = get(answers, "diff", a=3)
    assert (len(found["changes"]), found["more"]) == (4, True)
    assert found["changes"][0]["new"] == ["object", "Trade(id=1001, buyer='x', price=None)"]
    answers.close()


def test_classes_that_changed_are_compared_by_their_fields(tmp_path: Path) -> None:
    old: Any = type("Thing", (parcode_orm.Model,), {"__annotations__": {"a": int, "b": str}})
    new: Any = type(
        "Thing", (parcode_orm.Model,), {"__annotations__": {"a": int, "c": list[int]}, "c": Chunk(default=[])}
    )
    with Session(tmp_path / "a.par") as session:
        session.add(old(a=1, b="x"))
        session.commit()
    with Session(tmp_path / "a.par") as session:
        thing = session.root(new)
        thing.a, thing.c = 2, [5]
        session.commit()
    answers = Answers(tmp_path / "a.par")
    changes = {(each["kind"], each["where"]) for each in get(answers, "diff", a=1)["changes"]}
    assert changes == {("changed", "Thing.a"), ("removed", "Thing.b"), ("added", "Thing.c")}
    assert get(answers, "diff", a=1)["schemas"]
    answers.close()


def test_the_file_goes_on(tmp_path: Path) -> None:
    path = game(tmp_path / "game.par")
    answers = Answers(path)
    assert get(answers, "newer") == {"newer": None}
    with Session(path) as session:
        session.root(GameWorld).players["Hero0"] = Player(level=500, inventory=[])
        session.commit()
    assert get(answers, "newer") == {"newer": 4}
    level = 'GameWorld.players["Hero0"].level'
    assert (get(answers, "report")["at"], get(answers, "value", path=level)["text"]) == (3, "0")
    assert get(answers, "report", newest=1)["at"] == 4
    assert (get(answers, "newer"), get(answers, "value", path=level)["text"]) == ({"newer": None}, "500")
    parcode_orm.save(path, Player(level=1, inventory=[]))
    assert get(answers, "newer") == {"newer": 0}  # another file
    assert get(answers, "value", path=level)["text"] == "500"  # that one is read on
    assert get(answers, "value", path=level, at=2)["text"] == "0"
    path.unlink()
    assert get(answers, "newer") == {"newer": 0}
    answers.close()


def test_verify(answers: Answers) -> None:
    found = get(answers, "verify")
    assert found["ok"] and found["commits"] == 3 and found["count"] == 0


def test_a_damaged_file_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    path = game(tmp_path / "game.par")
    path.write_bytes(path.read_bytes().replace(b"Hero298", b"Hero299"))  # in the keys of the players
    answers = Answers(path)
    found = get(answers, "verify")
    assert not found["ok"] and "GameWorld" in found["problems"][0]["where"]
    assert get(answers, "rows", path="Trade", limit=1)["rows"]
    assert get(answers, "value", path="GameWorld.settings.difficulty")["text"] == "3"
    with pytest.raises(parcode_orm.CorruptionError):
        get(answers, "rows", path="players")
    answers.close()


def test_a_damaged_commit_gives_way_to_the_one_before_it(tmp_path: Path) -> None:
    path = game(tmp_path / "game.par")
    catalog = next(each for each in parcode_orm.inspect(path).entries if each.kind == "catalog")
    data = bytearray(path.read_bytes())
    data[catalog.offset + 40] ^= 1
    path.write_bytes(data)
    answers = Answers(path)
    found = get(answers, "report")
    assert found["at"] == 2 and "damaged" in found["unread"]["error"]["message"] and found["report"]["problems"]
    assert get(answers, "value", path=f"{HERO}.level")["text"] == "25"
    assert get(answers, "newer") == {"newer": None}
    answers.close()


def test_a_file_without_a_whole_commit(tmp_path: Path) -> None:
    path = game(tmp_path / "game.par")
    path.write_bytes(path.read_bytes().replace(RECORD_MAGIC, bytes(len(RECORD_MAGIC))))
    answers = Answers(path)
    found = get(answers, "report")
    assert found["at"] is None and found["unread"] and found["report"]["entries"] and found["collections"] == []
    with pytest.raises(parcode_orm.CorruptionError):
        get(answers, "value", path="GameWorld")
    assert not get(answers, "verify")["ok"]
    answers.close()


def test_what_is_no_parcode_file(tmp_path: Path) -> None:
    (tmp_path / "a.par").write_bytes(b"x" * 5_000)
    with pytest.raises(NotAParcodeFile):
        Answers(tmp_path / "a.par")
    with pytest.raises(FileNotFoundError):
        Answers(tmp_path / "b.par")


@pytest.mark.parametrize("long", ["", "<b>" * 3_333_333])
def test_hostile_names_are_bounded_and_visible(tmp_path: Path, long: str) -> None:
    answers = Answers(hostile(tmp_path / "a.par", long))
    collections = get(answers, "report")["collections"]
    assert [each["kind"] for each in collections] == ["root", "map", "list"]
    texts = [json.dumps(answers.get("report", {}), ensure_ascii=False)]
    for each in collections:
        found = get(answers, "value", path=each["path"])
        texts.append(json.dumps(found, ensure_ascii=False))
        for child in found["children"]:
            if child["path"] is not None:
                texts.append(json.dumps(get(answers, "value", path=child["path"]), ensure_ascii=False))
        if found.get("rows"):
            texts.append(json.dumps(get(answers, "rows", path=each["path"]), ensure_ascii=False))
    texts.append(json.dumps(get(answers, "diff", a=1), ensure_ascii=False))
    for text in texts:
        assert len(text) < 150_000 and not set(text) & set(OBEYED)
    answers.close()
