"""A power loss at each point of a history of commits, and at each point of what is done after it.

What is found is the last commit that was acknowledged, or the one under way; with `durability="fast"`, any acknowledged
one from the last that was waited for on.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parcode_orm.storage import compaction, recovery

from .disk import SECTORS, Deaf, Op, cuts, image, installed, part
from .history import (
    Boot,
    Durability,
    Seed,
    Story,
    Survey,
    World,
    boots,
    compacted_history,
    fast_history,
    full_history,
    killed_compaction,
    killed_history,
    shrinking_history,
)

pytestmark = pytest.mark.once

HISTORIES: dict[Durability, Callable[..., Story]] = {"full": full_history, "fast": fast_history}
SORTS = {"kept", "dropped", "reordered", "garbage", "killed", "no name"}
SORTS |= {f"{sort} {sector}" for sort in ("torn at", "reordered by") for sector in SECTORS}


@pytest.fixture(autouse=True)
def runs() -> Iterator[None]:
    with boots():
        yield


@pytest.mark.parametrize("durability", HISTORIES)
def test_every_point_of_a_history(durability: Durability, tmp_path: Path, length: float) -> None:
    survey = Survey(HISTORIES[durability](tmp_path / "a.par"), random.Random(1), 6 + round(30 * length)).run()
    print(durability, dict(survey.counts), dict(sorted(survey.states.items())))
    assert SORTS <= set(survey.counts)
    assert set(survey.story.expected) - {7} <= set(survey.states)  # 7 is given up before it is whole
    assert survey.counts["contents"] > 1000


@pytest.mark.parametrize("durability", HISTORIES)
def test_every_point_of_what_follows_a_crash(durability: Durability, tmp_path: Path, length: float) -> None:
    """A file as a crash left it is opened and committed to, and power fails again; and once more."""
    rng = random.Random(2)
    survey = Survey(HISTORIES[durability](tmp_path / "a.par"), rng, 0).run()
    seeds = list(survey.seeds.values())
    counts: Counter[str] = Counter()
    for generation in range(2):
        rng.shuffle(seeds)
        found: list[Seed] = []
        for number, seed in enumerate(seeds[: 3 + round(60 * length)]):
            following = follow(
                tmp_path / "b.par", "fast" if number % 3 == 2 else "full", seed, 102 + 4 * generation, rng
            )
            counts += following.counts
            found += following.seeds.values()
        counts[f"files of generation {generation}"] = number + 1
        seeds = found
    print(durability, dict(counts))
    assert {"kept", "dropped", "reordered", "garbage", "killed"} <= set(counts)


@pytest.mark.parametrize("durability", HISTORIES)
def test_a_killed_process_and_then_a_power_loss(durability: Durability, tmp_path: Path, length: float) -> None:
    """What a killed process left is seen, and built upon, and was never waited for."""
    seen: Counter[bool] = Counter()
    for after in range(8):
        path = tmp_path / f"{after}.par"
        story = killed_history(path, durability, after)
        seen[any(op.kind == "done" and op.offset == 3 for op in story.disk.log)] += 1
        counts = Survey(story, random.Random(after), round(10 * length)).run(since=since(story, after)).counts
    print(durability, dict(counts), dict(seen))
    assert seen[True] >= 2 and seen[False] >= 2


@pytest.mark.parametrize("durability", HISTORIES)
def test_every_point_of_a_history_with_compactions(durability: Durability, tmp_path: Path, length: float) -> None:
    story = compacted_history(tmp_path / "a.par", durability)
    survey = Survey(story, random.Random(3), 1 + round(10 * length)).run()
    print(durability, dict(survey.counts), dict(sorted(survey.states.items())))
    assert SORTS <= set(survey.counts) and set(story.expected) <= set(survey.states)
    assert sum(op.kind == "rename" for op in story.disk.log) == 5


@pytest.mark.parametrize("durability", HISTORIES)
def test_every_point_of_commits_that_compact_the_file(durability: Durability, tmp_path: Path, length: float) -> None:
    story = shrinking_history(tmp_path / "a.par", durability)
    survey = Survey(story, random.Random(4), round(10 * length)).run()
    print(durability, dict(survey.counts), dict(sorted(survey.states.items())))
    assert set(story.expected) <= set(survey.states)
    assert sum(op.kind == "rename" for op in story.disk.log) == 3


@pytest.mark.parametrize("durability", HISTORIES)
def test_a_killed_compaction_and_then_a_power_loss(durability: Durability, tmp_path: Path, length: float) -> None:
    """A process ended between the rename and waiting for it; the next one's commit was lost with the new name."""
    renamed: Counter[bool] = Counter()
    for after in range(16):
        story = killed_compaction(tmp_path / f"{after}.par", durability, after)
        renamed[any(op.kind == "rename" for op in story.disk.log)] += 1
        Survey(story, random.Random(after), round(10 * length)).run(since=since(story, after))
    print(durability, dict(renamed))
    assert renamed[True] >= 2 and renamed[False] >= 2


def since(story: Story, after: int) -> int:
    """What was done before the process was killed is the same in all these stories: the first stands for them."""
    return story.killed_at if after else 0


def follow(path: Path, durability: Durability, seed: Seed, number: int, rng: random.Random) -> Survey:
    Boot.now = seed.boot
    story = Story(path, durability, seed.data, World.model_validate(seed.value))
    with installed(story.disk), story.open() as session:
        story.append(session, number)
        story.append(session, number + 1)  # with a blob
    return Survey(story, rng, 0).run()


@settings(deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("durability", HISTORIES)
def test_any_mixture_of_what_was_not_waited_for(
    durability: Durability, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each sector of each write is kept, dropped, zeros or garbage."""
    Boot.now = 1
    survey = told(durability, tmp_path_factory)
    point = data.draw(st.integers(0, len(survey.story.disk.log)), "point")
    sector = data.draw(st.sampled_from(SECTORS), "sector")
    fates = st.sampled_from(["keep", "keep", "drop", "zeros", "garbage"])

    def fate(i: int, op: Op) -> list[Op]:
        if op.kind != "write":
            return [op] if data.draw(st.booleans(), f"{i} {op}") else []
        found = []
        edges = [0, *cuts(op, sector), len(op.data)]
        drawn = data.draw(fates | st.lists(fates, min_size=len(edges) - 1, max_size=len(edges) - 1), f"{i} {op}")
        for j, (a, b) in enumerate(pairwise(edges)):
            each, piece = drawn if isinstance(drawn, str) else drawn[j], part(op, a, b)
            if each != "drop":
                found.append(
                    piece if each == "keep" else piece._replace(data=(b"\0" if each == "zeros" else b"\xa5") * (b - a))
                )
        return found

    for _, left in survey.lefts(point):
        content = None if left is None else image(left, fate)
        survey.look(point, "drawn", content, survey.story.boot + 1)


_told: dict[str, Survey] = {}


def told(durability: Durability, directories: pytest.TempPathFactory) -> Survey:
    if durability not in _told:
        _told[durability] = Survey(HISTORIES[durability](directories.mktemp("told") / "a.par"), random.Random(), 0)
    return _told[durability]


def _last(log: list[Op], file: int) -> Op:
    return next((op for op in reversed(log) if op.file == file), Op(""))


def _is_record(op: Op) -> bool:
    return op.kind == "write" and len(op.data) == 672


def _published(log: list[Op], file: int) -> bool:
    name = next((op.name for op in log if op.kind == "create" and op.file == file), None)
    return any(op.kind in ("link", "rename") and op.name == name for op in log)


LEFT_OUT: dict[str, Deaf] = {
    "the barrier before the record": lambda log, file: (
        _published(log, file) and _last(log, file).kind == "write" and not _is_record(_last(log, file))
    ),
    "the barrier after the record": lambda log, file: _is_record(_last(log, file)),
    "waiting for a cut": lambda log, file: _last(log, file).kind == "truncate",
    "waiting for a new file": lambda log, file: file >= 0 and not _published(log, file),
    "waiting for the directory": lambda log, file: file < 0,
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_what_is_left_out_is_noticed(what: str, tmp_path: Path) -> None:
    story = full_history(tmp_path / "a.par", LEFT_OUT[what])
    with pytest.raises(AssertionError, match=r"not one of|mixture"):
        Survey(story, random.Random(1), 0).run()


@pytest.mark.parametrize("what", ["waiting for a new file", "waiting for the directory"])
def test_what_a_compaction_leaves_out_is_noticed(what: str, tmp_path: Path) -> None:
    def deaf(log: list[Op], file: int) -> bool:
        return any(op.kind == "done" and op.offset == 4 for op in log) and LEFT_OUT[what](log, file)

    story = compacted_history(tmp_path / "a.par", "full", deaf)
    with pytest.raises(AssertionError, match=r"not one of|mixture"):
        Survey(story, random.Random(1), 0).run()


def test_a_compacted_file_whose_name_is_not_waited_for_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "RecordFlag", SimpleNamespace(WHOLE_FILE=1, DOUBLED=2, COPIED=0))
    with pytest.raises(AssertionError, match=r"not one of|mixture"):
        for after in range(16):
            Survey(killed_compaction(tmp_path / f"{after}.par", "full", after), random.Random(1), 0).run()


@pytest.mark.parametrize("what", ["waiting for a cut", "waiting for a new file", "waiting for the directory"])
def test_what_is_left_out_of_fast_commits_is_noticed(what: str, tmp_path: Path) -> None:
    story = fast_history(tmp_path / "a.par", LEFT_OUT[what])
    with pytest.raises(AssertionError, match=r"not one of|mixture"):
        Survey(story, random.Random(1), 0).run(-1)


@pytest.mark.parametrize("durability", HISTORIES)
def test_commits_that_are_not_verified_are_noticed(
    durability: Durability, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = HISTORIES[durability](tmp_path / "a.par")
    monkeypatch.setattr(recovery.Trust, "_fits", lambda self, record: True)
    with pytest.raises(AssertionError, match=r"not one of|mixture"):
        Survey(story, random.Random(1), 0).run()
