"""Schemas: what columns describe themselves as, in bytes that say whether two classes are stored alike."""

from __future__ import annotations

from itertools import count

from parcode_orm import Chunk, Model
from parcode_orm.codec.schema import canonical_schema, describe
from parcode_orm.codec.types.compile import struct_for
from tests.crash.interrupting import run


class Leaf(Model):
    n: int = 0


class Branch(Model):
    leaves: list[Leaf] = Chunk(default=[])
    first: Leaf | None = None
    below: list[Branch] = Chunk(default=[])


class Other(Model):
    branch: Branch
    leaf: Leaf


def test_an_interrupt_anywhere_in_a_description_changes_no_later_one() -> None:
    """One in the last line left the structs met so far, and each later schema of the process was told as a part of it.

    So files were written whose root could not be read.
    """
    branch, other = struct_for(Branch), struct_for(Other)
    expected = canonical_schema(branch), describe(other)
    for line in count():
        places = run(lambda: describe(branch), line)
        assert describe(other) == expected[1], places[-1]
        if len(places) <= line:
            break
    assert line > 20
