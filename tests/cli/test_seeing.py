"""`parcode inspect` and `parcode verify`, at 80 and at 200 columns."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import parcode_orm
from parcode_orm import Chunk, Index, Key, Model, Session, inspect
from parcode_orm.inspector.tree import cells_of

from .shell import parcode

pytestmark = pytest.mark.once

MODELS = """
from parcode_orm import Index, Key, Model

class Seller(Model):
    id: int = Key()
    city: str = Index()

class Plain(Model):
    n: int
"""


class Seller(Model):
    id: int = Key()
    city: str = Index()


class Shop(Model):
    name: str
    日本語: dict[str, list[float]] = Chunk()
    a_field_with_a_name_that_is_quite_long: list[tuple[int, str, float, int | None]] = Chunk()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.par"
    with Session(path) as session:
        names = {f"key {n}": [n / 7] * (n % 5) for n in range(3000)}
        session.add(Shop(name="shop", 日本語=names, a_field_with_a_name_that_is_quite_long=[(1, "x", 2.5, None)] * 99))
        session.add_all(Seller(id=n, city=f"city {n % 7}") for n in range(50))
        session.commit()
    return path


def damaged(path: Path) -> Path:
    """The file with a bit flipped in the middle of its first collection."""
    data = bytearray(path.read_bytes())
    entry = inspect(path).entries[0].children[1]
    assert entry.offset is not None
    data[entry.offset + 40] ^= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("columns", [80, 200])
def test_inspect_is_aligned_at_any_width(file: Path, columns: int) -> None:
    shown = parcode("inspect", file, columns=columns).stdout
    lines = shown.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("part"))
    table = lines[start:]
    assert all(cells_of(line) <= columns for line in table), shown
    assert any(line.startswith("Shop") for line in table) and any("index: city" in line for line in table)
    right = cells_of(table[0][: table[0].index("stored") + len("stored")])
    for line in table[1:]:  # sizes end below their title
        cells = "".join(each + "\0" * (cells_of(each) - 1) for each in line)
        assert re.search(r"\d [kMG]?B$", cells[:right].replace("\0", "")), line
    assert ("compression" in table[0]) == (columns == 200)


def test_inspect(file: Path) -> None:
    one = parcode("inspect", file, "--depth", 1).stdout
    assert "Shop" in one and "entities: Seller" in one and "name" not in one
    found = json.loads(parcode("inspect", file, "--json").stdout)
    assert found["size"] == file.stat().st_size == sum(entry["stored"] for entry in found["entries"])
    assert found["ok"] and found["commits"][0]["kind"] == "whole"
    assert found["entries"][0]["children"][1]["path"] == "Shop.日本語"
    assert parcode("inspect", file, "--depth", 0, code=2).stdout == ""


def test_inspect_writes_a_page(file: Path, tmp_path: Path) -> None:
    page = tmp_path / "shop.html"
    assert parcode("inspect", file, "--html", page).stdout == ""
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>") and "city 3" in text and text.count("<script") == 2
    assert json.loads(parcode("inspect", file, "--html", page, "--json").stdout)["ok"]
    before = file.read_bytes()
    assert "the file itself" in parcode("inspect", file, "--html", file, code=2).stderr and file.read_bytes() == before
    assert "there is no directory" in parcode("inspect", file, "--html", tmp_path / "no" / "x.html", code=2).stderr


def test_verify(file: Path) -> None:
    assert ": ok\n" in parcode("verify", file).stdout
    found = json.loads(parcode("verify", file, "--json").stdout)
    assert found["ok"] and found["problems"] == [] and found["commits"] == 1


def test_verify_compares_indexes(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models_of_shop.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    for models in ("models_of_shop", "models_of_shop:Seller", "models_of_shop:Plain"):
        assert ": ok\n" in parcode("verify", file, "--models", models).stdout
    assert "cannot be imported" in parcode("verify", file, "--models", "no_such_module", code=2).stderr


def test_damage_has_an_exit_code(file: Path) -> None:
    damaged(file)
    shown = parcode("inspect", file, columns=200, code=4).stdout
    assert "damaged" in shown and "Shop.日本語" in shown
    assert "Shop.日本語" in parcode("verify", file, columns=200, code=4).stdout
    for name in ("inspect", "verify"):
        found = json.loads(parcode(name, file, "--json", code=4).stdout)
        assert not found["ok"] and "Shop.日本語" in found["problems"][0]["where"]


def test_other_files_have_other_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no such file" * 20)
    for name in ("inspect", "verify"):
        assert "NotAParcodeFile" in parcode(name, tmp_path / "text", code=3).stderr
        assert "FileMissingError" in parcode(name, tmp_path / "none", code=2).stderr


def test_names_of_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    cls = type("Root\x1b[31m", (Model,), {"__annotations__": {"n": int}, "__module__": __name__})
    parcode_orm.save(tmp_path / "a.par", cls(n=1))  # type: ignore[call-arg]
    shown = parcode("inspect", tmp_path / "a.par").stdout
    assert "\x1b" not in shown and "Root\\x1b[31m" in shown
