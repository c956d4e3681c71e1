"""What notebooks, rich and IPython show of lazy objects: the shape, the first rows, and no more is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Index, Key, Model, Session, ShardedMap
from parcode_orm.lazy import display

pytestmark = pytest.mark.once


class Wide(Model):
    name: str
    level: int
    a: str = Chunk()
    b: list[str] = Chunk()
    c: dict[str, int] = ShardedMap()
    d: str = Chunk()
    e: list[str] = Chunk()
    f: str = Chunk()


class Root(Model):
    title: str
    users: dict[str, Wide] = ShardedMap()
    order: list[Wide] = Chunk()
    numbers: list[int] = Chunk()


class Trade(Model):
    id: int = Key()
    buyer: str = Index()


def wide(n: int) -> Wide:
    return Wide(name=f"n{n}", level=n, a="x" * 30, b=["y" * 20, str(n)], c={"k": n}, d="z" * 40, e=[], f="w" * 50)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("large") / "a.par")
    with Session(path) as session:
        users = ((f"u{n}", wide(n)) for n in range(12_000))
        session.add(Root(title="t", users=users, order=map(wide, range(12_000)), numbers=iter(range(1_000_000))))
        session.add(Trade(id=1, buyer="?"))
        session.commit()
    return path


def test_a_text_of_a_million_rows_reads_little(large: str) -> None:
    with Session.open(large) as session:
        root = session.root(Root)
        text = repr(root)
        assert session.stats.bytes_read < 200_000
        assert "'u0': Wide(name='n0', level=0, a='xxx" in text and "<11990 more>" in text and "<999990 more>" in text
        assert "b=<not read>" in text  # its chunk would have been one too many
        assert "b=['yyy" in repr(root.users["u0"])
    with Session.open(large) as session:
        root = session.root(Root)
        root._repr_html_(), root.users._repr_html_(), root.order._repr_html_()  # type: ignore[attr-defined]
        assert session.stats.bytes_read < 300_000


def cells(html: str) -> list[str]:
    return re.findall(r"<t[hd]>(.*?)</t[hd]>", html)


def test_tables_of_collections(large: str) -> None:
    with Session.open(large) as session:
        root: Any = session.root(Root)
        html = root.users._repr_html_()
        assert "<caption>LazyMap of 12,000, 10 shown</caption>" in html
        assert cells(html)[:12] == [
            "key", "name", "level", "a", "b", "c", "d", "e", "f", "&#x27;u0&#x27;", "&#x27;n0&#x27;", "0",
        ]  # fmt: skip
        assert html.count("<tr>") == 11
        assert cells(root.numbers._repr_html_())[:6] == ["", "value", "0", "0", "1", "1"]
        assert cells(root._repr_html_())[:4] == ["field", "value", "title", "&#x27;t&#x27;"]
        assert "holds</td><td>Root, Trade entities</td>" in session._repr_html_()
        assert root.users._ipython_key_completions_()[:2] == ["u0", "u1"]
        assert len(root.users._ipython_key_completions_()) == display.KEYS
        many = [each[0] for each in session.root(Root).users.__rich_repr__() if type(each) is tuple]
        assert many == [f"'u{n}'" for n in range(10)]
        assert repr(list(root.numbers.__rich_repr__())[-1]) == "<999,990 more>"
        assert dict(each for each in session.__rich_repr__() if type(each) is tuple)["commit"] == 1


def test_a_session_names_what_it_holds(large: str) -> None:
    session = Session.open(large)
    assert repr(session) == f"<Session {large} read-only, commit 1: Root, Trade entities>"
    session.close()
    assert repr(session) == f"<Session {large} closed>" and "closed" in session._repr_html_()
    assert ("closed", True) in list(session.__rich_repr__())
    with Session(":memory:") as empty:
        assert repr(empty) == "<Session :memory:, no commit: nothing>"
        for n in range(7):
            empty.add(type(Model)(f"M{n}", (Model,), {"__module__": __name__})())
        assert repr(empty) == "<Session :memory:, no commit: M0, M1, M2, M3, M4 and 2 more>"


def test_html_and_escapes_are_harmless(tmp_path: Path) -> None:
    class Box(Model):
        items: dict[str, str] = ShardedMap()

    with Session(tmp_path / "a.par") as session:
        session.add(Box(items={"<script>\x1b[31m": "</td>&" + "q" * 1_000}))
        session.commit()
        html = session.root(Box).items._repr_html_()  # type: ignore[attr-defined]
    assert "<script>" not in html and "\x1b" not in html and "&lt;script&gt;" in html and len(html) < 600


def test_a_class_keeps_its_own_html() -> None:
    class Own(Model):
        n: int

        def _repr_html_(self) -> str:
            return f"<b>{self.n}</b>"

    with Session(":memory:") as session:
        session.add(Own(n=1))
        session.commit()
        assert session.root(Own)._repr_html_() == "<b>1</b>"


def test_damage_is_named_in_the_table(tmp_path: Path) -> None:
    with Session(tmp_path / "a.par") as session:
        session.add(Root(title="t", users={}, order=[], numbers=range(20_000)))
        session.commit()
    data = bytearray((tmp_path / "a.par").read_bytes())
    middle = data.index(bytes(range(50, 90, 1))[:0] or (300).to_bytes(2, "little") + (301).to_bytes(2, "little"))
    data[middle] ^= 1
    (tmp_path / "a.par").write_bytes(data)
    with Session.open(tmp_path / "a.par") as session:
        assert "not read: ChecksumError" in session.root(Root).numbers._repr_html_()  # type: ignore[attr-defined]
