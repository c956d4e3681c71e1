"""Rows of the tests on clusters, in a module that workers can import; and a step that kills its process once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from parcode_orm import Key, Model


class Stop(Model):
    town: str
    minutes: int


class Visit(Model):
    id: int = Key()
    country: str
    seconds: int | None
    stops: list[Stop] = []


COUNTRIES = ("FR", "JP", "PE", "TG")


def visits(start: int, count: int) -> Iterator[Visit]:
    for n in range(start, start + count):
        yield Visit(
            id=n,
            country=COUNTRIES[n * n % 4 + n % 2],
            seconds=None if n % 13 == 0 else n * 7919 % 600,
            stops=[Stop(town=f"town {n % 5}", minutes=n % 60)] * (n % 3),
        )


def kill_once(mark: Path) -> None:
    """End this process, as the system does where memory is short, unless another one has been killed so."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
