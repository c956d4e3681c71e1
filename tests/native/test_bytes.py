"""Files have the same bytes with and without the native core, and are read to the same objects."""

from __future__ import annotations

import pytest

import parcode_orm
from tests.native.children import run

pytestmark = pytest.mark.once


@pytest.mark.skipif(not parcode_orm.accelerated, reason="the native core is not compiled, or switched off")
def test_files_are_equal_with_and_without_the_core() -> None:
    children = [run("tests.native.worlds", pure=pure) for pure in ("0", "1")]
    assert [child.returncode for child in children] == [0, 0], [child.stderr[-2000:] for child in children]
    printed = [child.stdout.split() for child in children]
    assert [each.pop(0) for each in printed] == ["True", "False"]
    assert printed[0] == printed[1] and len(printed[0]) > 80
