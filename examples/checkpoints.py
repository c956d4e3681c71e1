"""A checkpointer for agents: threads of steps in one file, to resume after a crash and to branch from any step.

    python examples/checkpoints.py [DIRECTORY]

The names are those of LangGraph's savers (`put`, `get_tuple`, `list`), which this needs not.
"""

from __future__ import annotations

import argparse
import tempfile
from builtins import list as items
from pathlib import Path
from typing import Any, NamedTuple

from parcode_orm import Chunk, Index, Key, Model, Session, select


class Message(Model):
    role: str
    text: str


class Checkpoint(Model):
    """The state of a thread after a step. `parent` is the id of the checkpoint before, maybe of another thread."""

    id: int = Key(auto=True)
    thread: str = Index()
    step: int
    parent: int | None
    messages: list[Message] = Chunk()
    variables: dict[str, Any] = {}


class CheckpointTuple(NamedTuple):
    checkpoint: Checkpoint
    parent: Checkpoint | None


class Checkpointer:
    """Checkpoints in the file at `path`; several processes may put some at once."""

    def __init__(self, path: Path) -> None:
        self.session = Session(path, lock_timeout=30.0)

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def put(self, thread: str, messages: items[Message], variables: dict[str, Any], parent: int | None = None) -> int:
        """Store the state of `thread` after its next step, and give its id. The first may have a `parent`."""
        for attempt in self.session.attempts(100):
            with attempt:
                last = self._last(thread)
                step, before = (0, parent) if last is None else (last.step + 1, last.id)
                made = Checkpoint(thread=thread, step=step, parent=before, messages=messages, variables=variables)
                self.session.add(made)
                self.session.commit(f"{thread}: step {step}")
        return made.id

    def get_tuple(self, thread: str, id: int | None = None) -> CheckpointTuple | None:
        """The checkpoint `id`, or the last one of `thread`, and the one before."""
        self.session.refresh()
        found = self._last(thread) if id is None else self.session.get(Checkpoint, id)
        if found is None or found.thread != thread:
            return None
        return CheckpointTuple(found, None if found.parent is None else self.session.get(Checkpoint, found.parent))

    def list(self, thread: str, limit: int | None = None) -> items[Checkpoint]:
        """The checkpoints of `thread`, the newest first."""
        self.session.refresh()
        wanted = select(Checkpoint).where(Checkpoint.thread == thread).order_by(Checkpoint.step.desc())
        return items(self.session.scalars(wanted if limit is None else wanted.limit(limit)))

    def branch(self, id: int, thread: str) -> int:
        """Begin `thread` with the state of the checkpoint `id`, and give the id of its first checkpoint."""
        self.session.refresh()
        origin = self.session.get(Checkpoint, id)
        if origin is None:
            raise LookupError(f"there is no checkpoint {id}")
        if self._last(thread) is not None:
            raise ValueError(f"there is a thread {thread!r} already")
        copy = origin.model_copy(deep=True)
        return self.put(thread, items(copy.messages), dict(copy.variables), parent=id)

    def _last(self, thread: str) -> Checkpoint | None:
        wanted = select(Checkpoint).where(Checkpoint.thread == thread).order_by(Checkpoint.step.desc()).limit(1)
        return self.session.scalars(wanted).first()


def work(saver: Checkpointer, thread: str, until: int) -> Checkpoint:
    """An agent that counts: it goes on from the last checkpoint of `thread`."""
    last = saver.get_tuple(thread)
    messages = [] if last is None else items(last.checkpoint.messages)
    total = 0 if last is None else last.checkpoint.variables["total"]
    while total < until:
        total += 1
        messages = [*messages, Message(role="agent", text=f"counted to {total}")]
        saver.put(thread, messages, {"total": total})
    found = saver.get_tuple(thread)
    assert found is not None
    return found.checkpoint


def main(folder: Path) -> None:
    """Three steps, a new process in their place, and a branch."""
    path = folder / "checkpoints.par"
    with Checkpointer(path) as saver:
        work(saver, "main", 3)
    with Checkpointer(path) as saver:  # the process ended; another one resumes
        last = work(saver, "main", 5)
        print(f"resumed: step {last.step}, {last.messages[-1].text!r}")
        second = saver.list("main")[-2]
        saver.branch(second.id, "what-if")
        branch = work(saver, "what-if", 3)
        print(f"branched at step {second.step}: {len(branch.messages)} messages, main has {len(saver.list('main'))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path)
    given = parser.parse_args().directory
    if given is not None:
        main(given)
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
