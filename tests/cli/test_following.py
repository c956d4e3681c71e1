"""Copies of a file, and what its commits changed, by commands."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Key, Model, Session, save

from .shell import parcode

pytestmark = pytest.mark.once


class Shop(Model):
    name: str = ""


class Order(Model):
    id: int = Key()
    status: str = "new"
    items: list[str] = Chunk(default=[])
    raw: bytes = b""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all([Order(id=1), Order(id=2)])
        session.commit("first")
        session.get_one(Order, 1).status = "paid"
        session.get_one(Order, 1).raw = b"\xff"
        session.get_one(Order, 1).items.append("tea")
        session.delete(session.get_one(Order, 2))
        session.commit("second")
    return path


def test_backup(file: Path, tmp_path: Path) -> None:
    to = tmp_path / "copy.par"
    found = parcode("backup", file, to).stdout
    assert f"copied 2 commits, {file.stat().st_size:,} bytes (all of the file: there was no copy); it" in found
    assert "nothing to copy; it is at commit 2" in parcode("backup", file, to).stdout
    with Session(file) as session:
        session.get_one(Order, 1).status = "sent"
        session.commit()
    told = json.loads(parcode("backup", file, to, "--since", 2, "--json").stdout)
    assert (told["sequence"], told["commits"], told["whole"]) == (3, 1, "") and to.read_bytes() == file.read_bytes()
    assert "ConflictError" in parcode("backup", file, tmp_path / "new.par", "--since", 2, code=5).stderr


def test_changes(file: Path) -> None:
    found = parcode("changes", file, "--since", 1, columns=200).stdout.splitlines()
    assert found[0].startswith("commit 2, ") and found[0].endswith(" second")
    assert found[1:] == [
        "  ~ Order[1] status: 'new' -> 'paid', raw: b'' -> b'\\xff'",
        "  + Order[1].items[0]: 'tea'",
        "  - Order[2]: Order(id=2, status='new', items=[], raw=b'')",
    ]
    lines = list(
        map(json.loads, parcode("changes", file, "--since", 0, "--class", "Order", "--json").stdout.split("\n")[:-1])
    )
    assert [(each["commit"], each["kind"], each["path"]) for each in lines] == [
        (1, "inserted", ["Order", 1]),
        (1, "inserted", ["Order", 2]),
        (2, "changed", ["Order", 1]),
        (2, "inserted", ["Order", 1, "items", 0]),
        (2, "deleted", ["Order", 2]),
    ]
    assert lines[0]["new"] == {"id": 1, "status": "new", "items": [], "raw": ""} and "old" not in lines[0]
    assert lines[2]["fields"]["status"] == {"kind": "changed", "old": "new", "new": "paid"}
    assert lines[2]["fields"]["raw"]["new"] == "_w==" and lines[3]["new"] == "tea"
    assert (lines[4]["class"], lines[4]["key"], lines[4]["message"]) == ("Order", 2, "second")
    assert parcode("changes", file, "--since", 0, "--class", "None", "--json").stdout == ""
    assert "no commit 9 here" in parcode("changes", file, "--since", 9, code=2).stderr.replace("\n", " ")


def test_watch(file: Path) -> None:
    assert parcode("watch", file, "--timeout", 0).stdout == ""
    code = "from parcode_orm.cli import main; main()"
    command = [sys.executable, "-c", code, "watch", str(file), "--json", "--timeout", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        lines: list[dict[str, Any]] = []
        with Session(file) as session:
            while not lines:  # it may have to start yet
                session.get_one(Order, 1).status += "!"
                session.commit()
                if select.select([process.stdout], [], [], 0.2)[0]:
                    lines.append(json.loads(process.stdout.readline()))
        assert lines[0]["where"] == "Order[1]" and lines[0]["fields"]["status"]["new"].endswith("!")
        save(file, Shop())  # another file: nothing tells what changed
        assert "CommitGone" not in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(60) == 0
