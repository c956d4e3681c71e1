"""The benchmarks of edits run, report, and refuse a store that lost one; no time is tested here."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import conversations, edits, edits_report, many, run, steady
from benchmarks.before import before
from benchmarks.memory import ROOT
from benchmarks.trees.ours import Fast
from benchmarks.trees.plain import OPERATIONS, Plain
from benchmarks.trees.shapes import SHAPES, World, world
from parcode_orm import Session

pytestmark = pytest.mark.once


def result_of(tmp_path: Path, *arguments: str) -> Any:
    file = tmp_path / "result.json"
    assert run.main([*arguments, "--json", str(file), "--dir", str(tmp_path)]) == 0
    assert list(tmp_path.iterdir()) == [file]
    return json.loads(file.read_text())


def test_every_shape_takes_every_edit_in_every_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ZODB")
    result = result_of(tmp_path, "edits", "--sizes", "12x10", "--repeat", "1")
    found = {(*case["world"][:2], case["operation"]) for case in result["cases"]}
    assert found == {
        (shape.name, held, operation)
        for shape in SHAPES.values()
        for held in shape.held
        for operation in OPERATIONS[held]
    }
    for case in result["cases"]:
        assert set(case["stores"]) == {"ours", "ours, durable", "SQLite", "ZODB"}
        for figures in case["stores"].values():
            assert len(figures["samples"]) == 1 and 0 < figures["median"] <= figures["worst"]
        ours = case["stores"]["ours"]
        assert 0 <= ours["written"] <= 64_000 and 0 < ours["read"] <= 256_000
    printed = capsys.readouterr().out
    assert "pass  KB written by any edit" in printed and "pass  cases of ours not run" in printed


def test_a_part_runs_without_peers_beside_an_earlier_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--shapes", "inline", "--sizes", "4x10,7x20", "--repeat", "1", "--no-peers"]
    result = result_of(tmp_path, "edits", *arguments, "--before", str(ROOT))
    assert {tuple(case["world"][2:]) for case in result["cases"]} == {(4, 10), (7, 20)}
    for case in result["cases"]:
        assert set(case["stores"]) == {"ours", "ours, durable", "before"}
        assert case["stores"]["before"]["written"] == case["stores"]["ours"]["written"]
    printed = capsys.readouterr().out
    assert "before ms" in printed and "SQLite's, both waiting for the disk: no case ran" in printed


def test_an_earlier_version_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise subprocess.CalledProcessError(3, "before")

    monkeypatch.setattr(edits, "before", fail)
    arguments = ["--shapes", "one", "--sizes", "1x10", "--repeat", "1", "--no-peers", "--before", str(ROOT)]
    result = result_of(tmp_path, "edits", *arguments)
    assert all(case["stores"]["before"] is None for case in result["cases"])
    assert set(result["skipped"].values()) == {"exit code 3"}


def test_another_package_is_not_taken_for_the_earlier_version(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        before(tmp_path, "edits", "one", "lists", 1, 10, 1, tmp_path / "file.par")


@pytest.mark.parametrize("lost", ["title", "item", "order", "more"])
@pytest.mark.parametrize("held", ["lists", "maps"])
def test_a_store_that_lost_an_edit_is_not_measured(tmp_path: Path, held: str, lost: str) -> None:
    store = Fast(world("map", held, 5, 10), tmp_path / "file.par")
    store.build()
    each = edits.Contestant(store)
    for operation in OPERATIONS[held]:
        assert each.case(operation, 2) is not None
    each.check()
    with Session(store.path) as session:
        branch = store.owner(session.root(store.cls), store.world.path(3))
        items = getattr(branch, store.field)
        first = next(iter(items)) if held == "maps" else 0
        if lost == "title":
            branch.title += "?"
        elif lost == "item":
            items[first].n += 1
        elif lost == "order":
            moved = items.pop(first)
            items.update({first: moved}) if held == "maps" else items.append(moved)
        else:
            items.update(more=items[first]) if held == "maps" else items.append(items[first])
        session.commit()
    with pytest.raises(AssertionError, match="owner 3"):
        each.check()


def test_a_slow_store_is_asked_once_and_then_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Fast(world("one", "lists", 1, 10), tmp_path / "file.par")
    store.build()
    each = edits.Contestant(store)
    monkeypatch.setattr(edits, "LONG", 0)
    monkeypatch.setattr(edits, "MOST", 0)
    figures = each.case("append", 5)
    assert figures is not None and len(figures["samples"]) == 1
    assert each.case("insert", 5) is None
    each.check()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.name)
@pytest.mark.parametrize("owners", [1, 10, 20, 300, 2_000])
def test_every_owner_has_a_path_of_its_own(shape: Any, owners: int) -> None:
    measured = World(shape, shape.held[0], owners if shape.levels else 1, 10)
    paths = [measured.path(owner) for owner in range(measured.owners)]
    assert len(set(paths)) == len(paths) and all(len(path) == len(shape.levels) for path in paths)
    for level, kind in enumerate(shape.levels):
        if kind == "l":  # positions count from 0, without gaps
            for _, group in itertools.groupby(paths, key=lambda path, level=level: path[:level]):
                places = list(dict.fromkeys(path[level] for path in group))
                assert places == list(range(len(places)))


def test_edits_are_seeded_and_of_different_owners() -> None:
    measured = world("list", "lists", 20, 10)
    found = edits.edits(measured, "insert", 7)
    assert found == edits.edits(measured, "insert", 7) and len({edit.owner for edit in found}) == 7
    step = Plain(measured).step(found[0])
    assert step.at == 5 and step.path == (found[0].owner,)


def case(**figures: Any) -> dict[str, Any]:
    ours = {"written": 1e3, "read": 1e3, "median": 1e-3, "worst": 1e-3, **figures}
    stores = {"ours": ours, "ours, durable": ours, "SQLite": {"median": 1e-3}}
    return {"world": ["map", "lists", 20, 2_000], "title": "map", "operation": "append", "stores": stores}


def test_reach_names_the_cases_that_fail() -> None:
    slow, replaced = case(median=6e-3), {**case(median=6e-3, read=1e6), "operation": "replace"}
    lines = list(edits_report.reach([case(), slow, replaced, case(written=65e3)]))
    assert [line.split()[0] for line in lines if line.startswith(("  pass", "  FAIL"))] == [
        "FAIL",  # written
        "pass",  # read: the replaced collection is handed over whole
        "FAIL",
        "FAIL",
        "pass",
    ]
    assert "1 of 3 cases fail" in "\n".join(lines) and lines[-1].startswith("  Not counted in KB read and ms: 1 cases")
    missing = case()
    missing["stores"]["ours"] = None
    assert any(line.startswith("  FAIL  cases of ours not run") for line in edits_report.reach([missing]))


def test_churn_keeps_every_edit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "churn", "--owners", "20", "--items", "10", "--edits", "60")
    assert result["edits"] == 60 and result["compacted size"] < result["size"] and result["load"] > 0
    assert "pass  file MB" in capsys.readouterr().out


def test_conversations_keep_every_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--conversations", "10", "--messages", "100", "--commits", "3", "20", "--before", str(ROOT)]
    result = result_of(tmp_path, "conversations", *arguments)
    assert list(result["files"]) == ["3", "20"]
    assert result["before"]["size"] == result["files"]["3"]["size"] >= result["files"]["3"]["compacted"]
    assert "before / ours, 3 commits" in capsys.readouterr().out
    texts = [text for _, text in conversations.script(10, 500)]
    assert min(map(len, texts)) >= 20 and 300 < max(map(len, texts)) <= 400


def test_a_lost_message_is_found(tmp_path: Path) -> None:
    path, lines = tmp_path / "file.par", conversations.script(5, 20)
    conversations.write(path, 5, lines, 2)
    conversations.check(path, 5, lines)
    with pytest.raises(AssertionError, match="the messages are not those"):
        conversations.check(path, 5, [*lines, (0, "never appended")])


def test_many_changed_rows_are_there_and_in_the_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "many", "--rows", "300", "--changed", "500", "--repeat", "1")
    assert set(result["steps"]) == set(many.STEPS) and all(seconds > 0 for seconds in result["steps"].values())
    assert "s for the diff" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["edits", "--shapes", "heap"],
        ["edits", "--sizes", "20"],
        ["edits", "--sizes", "0x20"],
        ["edits", "--sizes", "20x1"],
        ["edits", "--before", "nowhere"],
    ],
)
def test_what_is_no_option_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(arguments)
    assert "error: argument --" in capsys.readouterr().err


def test_steady_counts_each_tenth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "steady", "--rows", "10000", "--messages", "100", "--conversations", "20")
    assert list(result["runs"]) == ["entities, ours", "conversations, ours"]
    for each in result["runs"].values():
        assert len(each["tenths"]) == steady.TENTHS
        assert all(tenth["seconds"] > 0 and 0 < tenth["written"] < 3e6 for tenth in each["tenths"])
        assert each.get("changed", 1) <= 64_000
    assert "pass  KB written for one changed indexed field" in capsys.readouterr().out
