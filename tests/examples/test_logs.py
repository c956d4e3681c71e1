"""The examples of checkpoints and experiments do what their pages say, also when two savers write."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import checkpoints, experiments
from examples.checkpoints import Checkpointer, Message, work
from parcode_orm import Session

pytestmark = pytest.mark.once


def test_an_agent_resumes_and_branches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints.main(tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "resumed: step 4, 'counted to 5'",
        "branched at step 1: 3 messages, main has 5",
    ]
    with Checkpointer(tmp_path / "checkpoints.par") as saver:
        branch = saver.list("what-if")
        assert [each.step for each in branch] == [1, 0]
        first = saver.get_tuple("what-if", branch[-1].id)
        assert first is not None and first.parent is not None and first.parent.thread == "main"
        assert [each.step for each in saver.list("main", limit=2)] == [4, 3]
        assert saver.get_tuple("main", branch[0].id) is None and saver.get_tuple("none") is None
        with pytest.raises(ValueError, match="already"):
            saver.branch(branch[0].id, "main")
        with pytest.raises(LookupError):
            saver.branch(999, "other")


def test_two_savers_of_one_thread_lose_no_step(tmp_path: Path) -> None:
    with Checkpointer(tmp_path / "c.par") as one, Checkpointer(tmp_path / "c.par") as two:
        work(one, "a", 1)
        for saver in (two, one, one, two):
            saver.put("a", [Message(role="user", text="hello")], {"total": 1})
        found = one.list("a")
        assert [each.step for each in found] == [4, 3, 2, 1, 0]
        assert [each.parent for each in found] == [each.id for each in found[1:]] + [None]


def test_the_best_run_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiments.main(tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "best: run 3, 20 steps"
    with Session.open(tmp_path / "experiments.par") as session:
        found = experiments.best(session)
        assert [(run.optimizer, run.rate) for run, _ in found][:2] == [("plain", 0.3), ("momentum", 0.3)]
        for run, lowest in found:
            values = experiments.curve(session, run)
            assert len(values) == 20 and values[0] == 1.0 and min(values) == lowest
