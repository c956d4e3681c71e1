"""Waiting for a change of a file: what is done to it wakes, what is done to others does not, and the clock always."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from parcode_orm.storage import notify
from parcode_orm.storage.notify import EVENT, OVERFLOW, Notifier

pytestmark = pytest.mark.once

LONG = 20.0  # seconds that no test waits


def waited(notifier: Notifier, seconds: float) -> float:
    start = time.monotonic()
    notifier.wait(seconds)
    return time.monotonic() - start


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.par"


def inotify(path: Path) -> Notifier:
    notifier = Notifier(str(path))
    if not notifier.works:
        pytest.skip("this system has no inotify")
    return notifier


def test_what_is_done_to_the_file_wakes(path: Path) -> None:
    notifier = inotify(path)
    steps: list[Callable[[], object]] = [
        lambda: path.write_bytes(b"created"),
        lambda: path.open("ab").write(b"x"),
        lambda: os.truncate(path, 3),
        lambda: (path.with_name("b").write_bytes(b""), os.replace(path.with_name("b"), path)),
        lambda: (path.unlink(), path.write_bytes(b"again")),
    ]
    for step in steps:
        thread = threading.Timer(0.05, step)
        thread.start()
        assert waited(notifier, LONG) < LONG / 2
        thread.join()
        while notifier._poll is not None and notifier._poll.poll(50):  # what else came of it
            notifier.wait(0.001)
    notifier.close()


def test_what_was_done_before_the_wait_wakes(path: Path) -> None:
    notifier = inotify(path)
    path.write_bytes(b"")
    assert waited(notifier, LONG) < LONG / 2


def test_other_files_do_not_wake(path: Path) -> None:
    notifier = inotify(path)
    for n in range(50):
        path.with_name(f"other{n}").write_bytes(b"x")
    assert 0.2 <= waited(notifier, 0.2) < LONG / 2


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    target = tmp_path / "below" / "b.par"
    target.write_bytes(b"")
    path.symlink_to(target)
    notifier = inotify(path)
    target.write_bytes(b"more")
    assert waited(notifier, LONG) < LONG / 2


def test_a_directory_that_goes_leaves_the_clock(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    notifier = inotify(directory / "a.par")
    directory.rmdir()
    assert waited(notifier, LONG) < LONG / 2 and not notifier.works
    assert 0.05 <= waited(notifier, 0.05) < LONG / 2


def test_events_that_were_lost_wake(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notifier = inotify(path)
    path.with_name("other").write_bytes(b"")
    monkeypatch.setattr(notify.os, "read", lambda fd, size: EVENT.pack(-1, OVERFLOW, 0, 0))
    assert waited(notifier, LONG) < LONG / 2


@pytest.mark.parametrize("lacks", ["the library", "the function", "a free watch", "the directory"])
def test_without_inotify_the_clock_wakes(lacks: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    class Library:
        inotify_init1 = staticmethod(lambda flags: -1)

    if lacks == "the directory":
        path = path / "none" / "a.par"
    else:
        found = {"the function": object(), "a free watch": Library()}

        def load(name: object, **options: object) -> object:
            if lacks in found:
                return found[lacks]
            raise OSError("no library")

        monkeypatch.setattr(ctypes, "CDLL", load)
    notifier = Notifier(str(path))
    assert not notifier.works
    assert 0.05 <= waited(notifier, 0.05) < LONG / 2
